package core

import (
	"cmp"
	"context"
	"errors"
	"math"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirecost"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Answer is what a call of the method with the full name Call was answered with: a code and a
// body, as docs/abi.md has them. They may come from anybody.
type Answer struct {
	Call string
	Code int32
	Body []byte
	// Owners decode the response, for who decodes one at a time; nil: it is decoded as any
	// message is.
	Owners *codec.Owners
}

// Into decodes the answer into resp, which is empty, or returns the error that it is. What it
// takes is held to limits, and to an account, which may be nil. What is wrong with it is
// RESOURCE_EXHAUSTED or INTERNAL.
func (a Answer) Into(resp proto.Message, limits *instance.Limits, account *instance.Account) error {
	if !IsResultCode(a.Code) {
		return refuse(status.Internal, "%s: the answer has the code %d, which is none", a.Call, a.Code)
	}
	over := responseOver(limits, a.Call, len(a.Body))
	switch {
	case over != nil && a.Code != 0:
		return ErrorOf(a.Code, nil) // the code matters more than the text
	case over != nil:
		return over
	case a.Code != 0:
		return ErrorOf(a.Code, a.Body)
	}
	return a.decode(resp, limits, account)
}

func (a Answer) decode(resp proto.Message, limits *instance.Limits, account *instance.Account) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = refuse(status.Internal, "%s: panic while the response is decoded: %v", a.Call, p)
		}
	}()
	if len(a.Body) > wirecost.Tiny {
		limit := maxDecoded(limits)
		cost, err := wirecost.Of(resp).Cost(a.Body, limit.Bytes)
		switch {
		case errors.Is(err, wirecost.ErrMalformed):
			return a.undecodable(resp)
		case err != nil:
			return limit.Status(err, a.Call+": the response", codec.NameOf(resp))
		case !account.Reserve(cost):
			return refuse(status.ResourceExhausted, "%s: a response that takes %d bytes when it is decoded: %s", a.Call, cost, instance.NoRoom)
		}
		defer account.Release(cost)
	}
	if a.Owners.Own(a.Body, resp) != nil {
		return a.undecodable(resp)
	}
	return nil
}

func (a Answer) undecodable(resp proto.Message) error {
	return refuse(status.Internal, "%s: the response does not decode as %s", a.Call, codec.NameOf(resp))
}

// Result is [Answer.Into] for an answer that a [Conn] brings to who has called with ctx. How
// large it may be is for the Conn to say.
func Result(ctx context.Context, code int32, body []byte, resp proto.Message) error {
	limits := instance.Limits{MaxResponse: math.MaxUint32, MaxDecoded: stateOf(ctx).Limits.MaxDecoded}
	return Answer{Call: cmp.Or(NameOf(ctx), "the call"), Code: code, Body: body}.Into(resp, &limits, nil)
}

// responseOver refuses a response of size bytes if that is over the limit.
func responseOver(l *instance.Limits, call string, size int) *status.Status {
	if uint64(size) <= uint64(l.MaxResponse) {
		return nil
	}
	return refuse(status.ResourceExhausted, "%s: the response has %d bytes, the host takes %d", call, size, l.MaxResponse)
}

// decodedStatus bounds what a status from outside takes when it is decoded.
var decodedStatus = wirecost.Limit{Bytes: 4 << 20, Name: "the limit of a status"}

// ErrorOf returns the error of a call that was answered with code, which is not 0, and body,
// an encoded status. Both may come from anybody: of a status that is none, or that is too
// large, the code is left.
func ErrorOf(code int32, body []byte) error {
	p := new(spb.Status)
	if decodedStatus.Unmarshal(body, p, "the status") != nil {
		p = nil
	} else if len(p.GetDetails()) > 0 && p.Details[0].MessageIs((*errdetails.ErrorInfo)(nil)) {
		// FromProto decodes it.
		if _, err := wirecost.Of(new(errdetails.ErrorInfo)).Cost(p.Details[0].GetValue(), decodedStatus.Bytes); err != nil {
			p.Details = nil
		}
	}
	return status.FromProto(code, p)
}

// IsResultCode reports whether code may be that of a result: 0, a service's own, or minus a
// canonical one.
func IsResultCode(code int32) bool { return code >= -int32(status.Unauthenticated) }
