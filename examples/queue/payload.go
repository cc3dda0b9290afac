//go:build !wasip1

package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// encodePayload checks the payload of a message and appends what is stored of it
// to b. field names it in errors.
func (s *settings) encodePayload(ctx context.Context, b []byte, field string, payload *anypb.Any) ([]byte, error) {
	if payload.GetTypeUrl() == "" && len(payload.GetValue()) == 0 {
		return nil, status.Errorf(queuev1.QueueErr_NoPayload, "%s is empty", field)
	}
	return s.encodeAny(ctx, b, field, payload)
}

// encodeSender is encodePayload for a sender, which may be missing.
func (s *settings) encodeSender(ctx context.Context, field string, sender *anypb.Any) ([]byte, error) {
	if sender == nil {
		return nil, nil
	}
	return s.encodeAny(ctx, nil, field, sender)
}

func (s *settings) encodeAny(ctx context.Context, b []byte, field string, a *anypb.Any) ([]byte, error) {
	if n := proto.Size(a); n > s.maxPayload {
		return nil, status.Errorf(status.ResourceExhausted, "%s has %d bytes, the host takes %d", field, n, s.maxPayload)
	}
	if err := checkAny(ctx, field, a); err != nil {
		return nil, err
	}
	b, err := proto.MarshalOptions{}.MarshalAppend(b, a)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", field, err)
	}
	return b, nil
}

// checkAny decodes what a says it holds. Of types that the host does not know
// it checks that they are protobuf at all.
func checkAny(ctx context.Context, field string, a *anypb.Any) error {
	url := a.GetTypeUrl()
	if !utf8.ValidString(url) || !protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]).IsValid() {
		return status.Errorf(queuev1.QueueErr_UnmarshalFailed, "%s: the type URL %.100q does not end in the name of a message", field, url)
	}
	var m proto.Message = new(emptypb.Empty)
	if t, err := protoregistry.GlobalTypes.FindMessageByURL(url); err == nil {
		m = t.New().Interface()
	}
	err := pluginsdk.Unmarshal(ctx, a.GetValue(), m)
	if errors.Is(err, status.Of(status.ResourceExhausted)) {
		return fmt.Errorf("%s: %w", field, err)
	}
	if err != nil {
		// protobuf's own words are not stable, and say no more.
		return status.Errorf(queuev1.QueueErr_UnmarshalFailed, "%s: its bytes do not decode as %.100q", field, url)
	}
	return nil
}

// decodeAny is the inverse of encodeAny. b may be empty.
func decodeAny(b []byte) (*anypb.Any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	a := new(anypb.Any)
	return a, proto.Unmarshal(b, a)
}
