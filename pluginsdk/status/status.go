// Package status is the one error type of Parigot, the same in guests, hosts
// and plugins.
//
// An error has a code, a message and details. The code is a value of any
// protobuf enum: of the service's own error enum, or one of the canonical codes
// of this package. An implementation returns
//
//	status.Error(filev1.FileErr_NotExistError, "no such file")
//
// and the guest that called it asks
//
//	errors.Is(err, status.Of(filev1.FileErr_NotExistError))
//
// Only the code, the message and the details cross between a guest and its
// host. What an error wraps, see [Wrap], stays on its side.
package status

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// Status is an error with a code. It is immutable and safe for concurrent use.
// [Error], [Errorf], [Wrap] and [Of] make it; [From] finds it in an error.
type Status struct { //nolint:errname // the name of the whole package, which callers know from gRPC
	enum    protoreflect.FullName // the enum that number is a value of
	name    string                // the name of the value, "" when unknown
	number  int32
	message string
	details []*anypb.Any
	cause   error
}

// Error returns an error with the given code and message. The message is for
// the caller: it crosses into the guest as it is. The zero value of an enum means
// success, so Error returns nil for it.
func Error(code protoreflect.Enum, message string) error {
	if code.Number() == 0 {
		return nil
	}
	return newStatus(code, message)
}

// Errorf is [Error] with a message made by [fmt.Sprintf]. It does not wrap: the
// verb %w is not known to it, use [Wrap].
func Errorf(code protoreflect.Enum, format string, args ...any) error {
	return Error(code, fmt.Sprintf(format, args...))
}

// Wrap returns an error with the given code and message that wraps cause.
// [errors.Is] and [errors.As] see the cause on this side; the other side never
// does. It returns nil for the zero value of an enum, and is [Error] when cause
// is nil.
func Wrap(code protoreflect.Enum, cause error, message string) error {
	if code.Number() == 0 {
		return nil
	}
	s := newStatus(code, message)
	s.cause = cause
	return s
}

// Of returns a target for [errors.Is]: an error with the code of this enum value
// and nothing else. It is never nil, so that success matches no error.
func Of(code protoreflect.Enum) error {
	return newStatus(code, "")
}

// WithDetails returns err with more details, each of which crosses to the
// caller as a google.protobuf.Any. It fails when err has no Status in its chain
// or a detail cannot be encoded; err itself stays as it was.
func WithDetails(err error, details ...proto.Message) (error, error) {
	s, ok := From(err)
	if !ok {
		return nil, fmt.Errorf("status: details need an error with a code: %w", err)
	}
	c := *s
	c.details = append([]*anypb.Any(nil), s.details...)
	for _, d := range details {
		a, err := anypb.New(d)
		if err != nil {
			return nil, fmt.Errorf("status: encode detail: %w", err)
		}
		c.details = append(c.details, a)
	}
	return &c, nil
}

func newStatus(code protoreflect.Enum, message string) *Status {
	s := &Status{
		enum:    code.Descriptor().FullName(),
		number:  int32(code.Number()),
		message: strings.ToValidUTF8(message, "\uFFFD"), // or it could not be sent
	}
	if v := code.Descriptor().Values().ByNumber(code.Number()); v != nil {
		s.name = string(v.Name())
	}
	return s
}

// From returns the first Status in the chain of err. The errors of package
// context have one too: [DeadlineExceeded] and [Cancelled]. It returns nil and
// false for nil and for errors without a code.
func From(err error) (*Status, bool) {
	if err == nil {
		return nil, false
	}
	if s, ok := errors.AsType[*Status](err); ok {
		return s, true
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return newStatus(DeadlineExceeded, "the deadline passed"), true
	case errors.Is(err, context.Canceled):
		return newStatus(Cancelled, "the call was cancelled"), true
	}
	return nil, false
}

// CodeOf returns the canonical code of err: [OK] for nil, and [Unknown] for
// errors of a service's own enum and for errors without a code.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	if s, ok := From(err); ok && s.enum == canonicalEnum {
		return Code(s.number)
	}
	return Unknown
}

// Error returns the name of the code and the message, and what it wraps.
func (s *Status) Error() string {
	text := s.name
	if text == "" {
		text = string(s.enum) + "(" + strconv.Itoa(int(s.number)) + ")"
	}
	if s.message != "" {
		text += ": " + s.message
	}
	if s.cause != nil {
		text += ": " + s.cause.Error()
	}
	return text
}

// Unwrap returns what [Wrap] was given, or nil.
func (s *Status) Unwrap() error { return s.cause }

// Is reports whether target is a Status with the same code: the same value of
// the same enum. Messages and details do not count. The errors of package
// context count as the codes that [From] gives them, so that a guest may ask for
// [context.DeadlineExceeded] what its host answered.
func (s *Status) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return s.enum == canonicalEnum && s.number == int32(DeadlineExceeded)
	case context.Canceled:
		return s.enum == canonicalEnum && s.number == int32(Cancelled)
	}
	t, ok := target.(*Status)
	return ok && s.enum == t.enum && s.number == t.number
}

// Enum returns the full name of the enum that the code is a value of, such as
// "file.v1.FileErr", or "google.rpc.Code" for the canonical codes.
func (s *Status) Enum() protoreflect.FullName { return s.enum }

// Number returns the number of the code in its enum.
func (s *Status) Number() int32 { return s.number }

// Message returns the text for the caller. It may be empty.
func (s *Status) Message() string { return s.message }

// Details returns the details in the order they were added. The caller must not
// change them.
func (s *Status) Details() []*anypb.Any { return s.details }

// WireCode returns the code as it stands in the result of a call: the number of
// a service's own error, and minus the number of a canonical code. It is false
// when the number cannot be told from the other kind on the wire: when it is not
// positive.
func (s *Status) WireCode() (int32, bool) {
	if s.number <= 0 {
		return 0, false
	}
	if s.enum == canonicalEnum {
		return -s.number, true
	}
	return s.number, true
}

// Proto returns the form that crosses: code, message and details. A service's
// own error starts its details with a google.rpc.ErrorInfo whose domain is the
// enum's full name and whose reason is the value's name, since the number alone
// does not tell one enum from another.
func (s *Status) Proto() *spb.Status {
	p := &spb.Status{Code: s.number, Message: s.message, Details: s.details}
	if s.enum == canonicalEnum {
		return p
	}
	info, err := anypb.New(&errdetails.ErrorInfo{Reason: s.name, Domain: string(s.enum)})
	if err != nil {
		// Only invalid UTF-8 fails here, which no descriptor holds.
		return p
	}
	p.Details = append([]*anypb.Any{info}, s.details...)
	return p
}

// FromProto is the inverse of [Status.WireCode] and [Status.Proto]. It takes
// whatever the other side sent: a code without a body, an empty or a nil p, and a
// service's error without its ErrorInfo all give a Status. wireCode must not be
// 0.
func FromProto(wireCode int32, p *spb.Status) *Status {
	s := &Status{number: wireCode, message: p.GetMessage(), details: p.GetDetails()}
	if wireCode < 0 {
		s.enum, s.number = canonicalEnum, -wireCode
		s.name = canonicalName(s.number)
		return s
	}
	if len(s.details) > 0 {
		info := new(errdetails.ErrorInfo)
		if s.details[0].MessageIs(info) && s.details[0].UnmarshalTo(info) == nil && info.GetDomain() != string(canonicalEnum) {
			s.enum, s.name = protoreflect.FullName(info.GetDomain()), info.GetReason()
			s.details = s.details[1:]
		}
	}
	return s
}

func canonicalName(number int32) string {
	if v := OK.Descriptor().Values().ByNumber(protoreflect.EnumNumber(number)); v != nil {
		return string(v.Name())
	}
	return ""
}
