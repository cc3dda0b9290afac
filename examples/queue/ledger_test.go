//go:build !wasip1

package queue

import (
	"errors"
	"fmt"
	"strings"
)

// ledger is what testdata/testguest printed, over all lives of its host, and what
// must be true of it.
type ledger struct {
	lines     int
	batches   []*ledgerBatch
	messages  map[string]*ledgerMessage
	receiving map[string]int // guest → the line in which it last began to receive
	events    map[string]int // how many lines there are of each event
	texts     map[string]int // how many messages these name
}

// ledgerBatch are messages of one Send.
type ledgerBatch struct {
	messages     []*ledgerMessage
	acknowledged bool
}

type ledgerMessage struct {
	text   string
	batch  *ledgerBatch
	counts map[string]bool // the received_count of each delivery
	done   int             // the line that acknowledges it; 0: none does
}

func newLedger() *ledger {
	return &ledger{
		messages: map[string]*ledgerMessage{}, receiving: map[string]int{},
		events: map[string]int{}, texts: map[string]int{},
	}
}

// record adds a line. Its error is a promise that the queue broke.
func (l *ledger) record(line string) error {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return fmt.Errorf("the line %q is not complete", line)
	}
	l.lines++
	guest, event, texts := fields[0], fields[1], fields[2:]
	l.events[event]++
	l.texts[event] += len(texts)
	switch event {
	case "opening", "open": // the host itself
		return nil
	case "sending":
		return l.sending(texts)
	case "receiving":
		l.receiving[guest] = l.lines
		return nil
	}
	var errs []error
	for _, text := range texts {
		errs = append(errs, l.acknowledge(guest, event, text))
	}
	return errors.Join(errs...)
}

// acknowledged returns how many calls that change something have succeeded.
func (l *ledger) acknowledged() int {
	return l.events["sent"] + l.events["received"] + l.events["done"]
}

func (l *ledger) sending(texts []string) error {
	b := new(ledgerBatch)
	l.batches = append(l.batches, b)
	for _, text := range texts {
		if l.messages[text] != nil {
			return fmt.Errorf("the test sends %s twice", text)
		}
		m := &ledgerMessage{text: text, batch: b, counts: map[string]bool{}}
		b.messages, l.messages[text] = append(b.messages, m), m
	}
	return nil
}

func (l *ledger) acknowledge(guest, event, text string) error {
	text, count, _ := strings.Cut(text, "#")
	m := l.messages[text]
	if m == nil {
		return fmt.Errorf("%s: %s %s, which nobody sent", guest, event, text)
	}
	switch event {
	case "sent":
		m.batch.acknowledged = true
	case "done":
		if m.done == 0 {
			m.done = l.lines
		}
	case "received":
		// Two guests may have a message one after the other, and the first mark
		// it done before the second says that it has it. So only calls count
		// that began later.
		if m.done > 0 && m.done < l.receiving[guest] {
			return fmt.Errorf("%s: received %s again, which was done in line %d, before this call began in line %d",
				guest, text, m.done, l.receiving[guest])
		}
		// A count that was acknowledged was committed, so it cannot come again.
		if m.counts[count] {
			return fmt.Errorf("%s: received %s for the %s. time twice: a delivery was forgotten", guest, text, count)
		}
		m.counts[count] = true
	default:
		return fmt.Errorf("%s: unknown event %q", guest, event)
	}
	return nil
}

// check says what is wrong in the end, when the queue is empty.
func (l *ledger) check() error {
	var errs []error
	for _, b := range l.batches {
		var missing []string
		for _, m := range b.messages {
			if len(m.counts) == 0 {
				missing = append(missing, m.text)
			}
		}
		switch {
		case len(missing) > 0 && b.acknowledged:
			errs = append(errs, fmt.Errorf("lost %v: sent, acknowledged and never received", missing))
		case len(missing) > 0 && len(missing) < len(b.messages):
			errs = append(errs, fmt.Errorf("%v of a batch of %d were never received, the others were", missing, len(b.messages)))
		}
	}
	return errors.Join(errs...)
}

// repeated returns how many deliveries were not the first of their message.
func (l *ledger) repeated() (n int) {
	for _, m := range l.messages {
		n += max(0, len(m.counts)-1)
	}
	return n
}
