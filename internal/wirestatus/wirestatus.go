// Package wirestatus is how errors cross between a guest and who calls it or is called by
// it, for both sides: which of them cross, and what they are on the way.
package wirestatus

import (
	"fmt"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// Coded returns the status of err, which the errors of contexts have, too. An err without one
// is returned as it is, and so is nil.
func Coded(err error) error {
	if s, ok := status.From(err); ok {
		return s
	}
	return err
}

// Crossing returns the status that err, which a server has returned, crosses as. If it must
// not cross, the second result says why, with err, for the log: it has no code, or one that
// the other side would take for another. Exactly one of the two is nil.
func Crossing(err error) (*status.Status, error) {
	s, ok := status.From(err)
	if !ok {
		return nil, err
	}
	if _, ok := s.WireCode(); !ok {
		return nil, fmt.Errorf("the code %d of %s cannot be sent, want a positive one: %w", s.Number(), s.Enum(), err)
	}
	return s, nil
}

// Decode returns the error of a call that was answered with code, which is not 0, and body, an
// encoded status. Of a body that is none, the code is left. It bounds nothing: what a guest
// sent to its host is not for it.
func Decode(code int32, body []byte) error {
	p := new(spb.Status)
	if err := proto.Unmarshal(body, p); err != nil {
		p = nil // the code is what counts
	}
	return status.FromProto(code, p)
}

// Shorten takes from a status that is too large what matters least. The code, and whose it
// is, stay.
func Shorten(p *spb.Status) {
	p.Message, p.Details = "", p.Details[:min(len(p.Details), 1)]
}
