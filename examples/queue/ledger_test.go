//go:build !wasip1

package queue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ledger is what testdata/testguest printed, over all lives of its host, and what
// must be true of it.
type ledger struct {
	lines     int
	sends     []*ledgerBatch
	marks     []*ledgerBatch
	messages  map[string]*ledgerMessage
	finish    map[string]*ledgerBatch // guest → its last MarkDone
	receiving map[string]int          // guest → the line in which it last began to receive
	events    map[string]int          // how many lines there are of each event
	texts     map[string]int          // how many messages these name
}

// ledgerBatch are messages of one Send, or of one MarkDone.
type ledgerBatch struct {
	guest        string
	messages     []*ledgerMessage
	acknowledged bool
}

type ledgerMessage struct {
	text   string
	batch  *ledgerBatch
	counts map[string]bool // the received_count of each delivery
	last   string          // the life of the host that delivered it last
	marks  map[string]int  // life → how many calls of MarkDone named it
	done   int             // the line that acknowledges it; 0: none does
}

func newLedger() *ledger {
	return &ledger{
		messages: map[string]*ledgerMessage{}, receiving: map[string]int{}, finish: map[string]*ledgerBatch{},
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
		return l.sending(guest, texts)
	case "finishing":
		return l.finishing(guest, texts)
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

func (l *ledger) sending(guest string, texts []string) error {
	b := &ledgerBatch{guest: guest}
	l.sends = append(l.sends, b)
	for _, text := range texts {
		if l.messages[text] != nil {
			return fmt.Errorf("the test sends %s twice", text)
		}
		m := &ledgerMessage{text: text, batch: b, counts: map[string]bool{}, marks: map[string]int{}}
		b.messages, l.messages[text] = append(b.messages, m), m
	}
	return nil
}

func (l *ledger) finishing(guest string, texts []string) error {
	b := &ledgerBatch{guest: guest}
	l.marks, l.finish[guest] = append(l.marks, b), b
	for _, text := range texts {
		m := l.messages[text]
		if m == nil {
			return fmt.Errorf("%s: finishing %s, which nobody sent", guest, text)
		}
		m.marks[lifeOf(guest)]++
		b.messages = append(b.messages, m)
	}
	return nil
}

// lifeOf returns in which life of its host a guest is.
func lifeOf(guest string) string {
	life, _, _ := strings.Cut(guest, ".")
	return life
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
		l.finish[guest].acknowledged = true
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
		m.counts[count], m.last = true, lifeOf(guest)
	default:
		return fmt.Errorf("%s: unknown event %q", guest, event)
	}
	return nil
}

// check says what is wrong in the end, when the queue is empty.
func (l *ledger) check() error {
	var errs []error
	for _, b := range l.sends {
		received, missing := split(b.messages, func(m *ledgerMessage) bool { return len(m.counts) > 0 })
		switch {
		case len(missing) > 0 && b.acknowledged:
			errs = append(errs, fmt.Errorf("lost %v: sent, acknowledged and never received", missing))
		case len(missing) > 0 && len(received) > 0:
			errs = append(errs, fmt.Errorf("%s sent a batch: %v were received, %v never were", b.guest, received, missing))
		}
	}
	for _, b := range l.marks {
		if b.acknowledged {
			continue // judged by each delivery
		}
		life := lifeOf(b.guest)
		// Another call of the same life may have marked some of them done.
		messages := slices.DeleteFunc(b.messages, func(m *ledgerMessage) bool { return m.marks[life] > 1 })
		again, gone := split(messages, func(m *ledgerMessage) bool { return m.last != life })
		if len(again) > 0 && len(gone) > 0 {
			errs = append(errs, fmt.Errorf("%s marked a batch done: %v came again, %v did not", b.guest, again, gone))
		}
	}
	return errors.Join(errs...)
}

// split names the messages for which is holds, and the others.
func split(messages []*ledgerMessage, is func(*ledgerMessage) bool) (those, others []string) {
	for _, m := range messages {
		if is(m) {
			those = append(those, m.text)
		} else {
			others = append(others, m.text)
		}
	}
	return those, others
}

// repeated returns how many deliveries were not the first of their message.
func (l *ledger) repeated() (n int) {
	for _, m := range l.messages {
		n += max(0, len(m.counts)-1)
	}
	return n
}
