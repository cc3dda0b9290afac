// Package wirecost bounds what decoding a message allocates, from its encoded bytes and
// before anything is decoded. Two bytes can become hundreds: an empty message in a list
// takes a struct and a pointer, and an entry of a map even more. So a limit on encoded
// bytes does not limit memory; [Limit.Unmarshal] and [Plan.Cost] do.
//
// The estimate is of all that is allocated, including what is garbage right away because a
// list has grown. It is never less, for protobuf-go and for vtprotobuf, and up to four
// times as much for messages of small fields. For large strings and bytes it is close.
package wirecost

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	// MaxDepth bounds how deeply messages are nested, in a message that is scanned.
	MaxDepth = 1000
	// Tiny is a number of encoded bytes that cannot become many, whatever the type: nobody
	// needs to look.
	Tiny = 512
	// unscanned is how many bytes a message may at most become that is not scanned.
	unscanned = 256 << 10
)

// What [Plan.Cost] returns.
var (
	// ErrMalformed means that the bytes do not decode.
	ErrMalformed = errors.New("the bytes are malformed")
	// ErrTooLarge means that decoding takes more than the limit.
	ErrTooLarge = errors.New("decoding takes too much memory")
	// ErrTooDeep means that messages are nested in more than [MaxDepth] levels.
	ErrTooDeep = errors.New("messages are nested too deeply")
)

// Cost returns an upper bound of the bytes that decoding b into a new message of the type
// allocates. Messages that can only be small are not scanned. Over limit, the scan ends and
// the error is [ErrTooLarge]. It allocates nothing itself, unless messages are nested
// deeply. Safe for concurrent use.
func (p *Plan) Cost(b []byte, limit uint64) (uint64, error) {
	if most := p.most(len(b)); most <= min(unscanned, limit) {
		return most, nil
	}
	return p.Scan(b, limit)
}

// Limit is what decoding may allocate.
type Limit struct {
	Bytes uint64
	// Name is what the limit is called, for errors: "max_decoded".
	Name string
}

// Status returns the error of [Plan.Cost] as one for callers. what is the subject, such as
// "the request", and name is that of the type; a nil err is nil.
func (l Limit) Status(err error, what string, name protoreflect.FullName) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTooLarge):
		return status.Errorf(status.ResourceExhausted, "%s takes more than %d bytes when it is decoded as %s (%s)", what, l.Bytes, name, l.Name)
	case errors.Is(err, ErrTooDeep):
		return status.Errorf(status.ResourceExhausted, "%s has messages nested in more than %d levels", what, MaxDepth)
	}
	return status.Errorf(status.InvalidArgument, "%s does not decode as %s", what, name)
}

// Unmarshal is [proto.Unmarshal] for bytes from outside: it fails with RESOURCE_EXHAUSTED,
// before anything is decoded, if that would allocate more than the limit or needs more
// than [MaxDepth] levels, and with INVALID_ARGUMENT if b does not decode. what is the
// subject of the error, such as "the log record".
func (l Limit) Unmarshal(b []byte, m proto.Message, what string) error {
	name := m.ProtoReflect().Descriptor().FullName()
	if len(b) > Tiny {
		if _, err := Of(m).Cost(b, l.Bytes); err != nil {
			return l.Status(err, what, name)
		}
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return status.Wrap(status.InvalidArgument, err, fmt.Sprintf("%s does not decode as %s", what, name))
	}
	return nil
}
