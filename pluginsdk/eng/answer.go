package eng

import (
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
)

// record returns the record that the guest has put somewhere, and what follows it, which is a
// part of the guest's memory.
func (i *Instance) record(place uint64) (abi.Record, []byte, error) {
	return readRecord(i.module.Memory(), place)
}

func readRecord(mem api.Memory, place uint64) (rec abi.Record, body []byte, err error) {
	ptr, size := abi.SplitPlace(place)
	if size < abi.RecordSize {
		return rec, nil, malformed("its answer has %d bytes", size)
	}
	b, ok := mem.Read(ptr, size)
	if !ok {
		return rec, nil, malformed("its answer is outside of its memory: %d bytes at %#x", size, ptr)
	}
	rec, body = abi.ReadRecord(b), b[abi.RecordSize:]
	if uint64(rec.Size) != uint64(len(body)) {
		return rec, nil, malformed("its answer has %d bytes and says %d", len(body), rec.Size)
	}
	return rec, body, nil
}

// answer returns the outcome of a call: it decodes what the guest has answered. The caller has
// passed the gate.
func (i *Instance) answer(c *servedCall, rec abi.Record, body []byte) error {
	answer := core.Answer{Call: c.method.FullName, Code: rec.Code, Body: body, Owners: &i.server.owners}
	return answer.Into(c.resp, &i.state.Limits, i.state.Account)
}

// offered are the methods that a guest offers.
type offered struct {
	text    string
	names   []string
	numbers map[string]uint32
}

// parseOffers reads what abi.Offers lists.
func parseOffers(text string) (*offered, error) {
	o := &offered{text: text, numbers: map[string]uint32{}}
	for line := range strings.Lines(text) {
		name, ended := strings.CutSuffix(line, "\n")
		_, twice := o.numbers[name]
		switch {
		case !ended || name == "" || len(name) > MaxName:
			return nil, malformed("it lists its methods wrongly: %.100q", line)
		case twice:
			return nil, malformed("it offers the method %q twice", name)
		}
		o.numbers[name] = uint32(len(o.names))
		o.names = append(o.names, name)
	}
	return o, nil
}

// readOffers reads the list that the guest has put somewhere.
func (g *Guest) readOffers(mem api.Memory, place uint64) (*offered, error) {
	ptr, size := abi.SplitPlace(place)
	if size > abi.MaxOffers {
		return nil, malformed("the list of its methods has %d bytes, the host takes %d", size, abi.MaxOffers)
	}
	if size == 0 {
		return new(offered), nil
	}
	b, ok := mem.Read(ptr, size)
	if !ok {
		return nil, malformed("the list of its methods is outside of its memory: %d bytes at %#x", size, ptr)
	}
	// Instances of a guest say the same, so they share it.
	if known := g.offered.Load(); known != nil && known.text == string(b) {
		return known, nil
	}
	o, err := parseOffers(string(b))
	if err == nil {
		g.offered.Store(o)
	}
	return o, err
}
