package codec

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// TestOwnerKeepsMessagesApart: messages that share chunks stay what they are, whatever
// lists the ones before had, and lists without elements are nil.
func TestOwnerKeepsMessagesApart(t *testing.T) {
	t.Parallel()
	o := OwnerOf(new(echov1.SendRequest))
	require.True(t, o.borrows)
	require.Len(t, o.lists, 1)
	require.Len(t, o.bytes, 1)
	var wants, gots []*echov1.SendRequest
	for i := range 100 {
		want := &echov1.SendRequest{Queue: fmt.Sprint("queue ", i), Payload: []byte(strings.Repeat("x", i*5))}
		for j := range i % 23 {
			want.Tags = append(want.Tags, strconv.Itoa(j))
		}
		b, err := proto.Marshal(want)
		require.NoError(t, err)
		got := new(echov1.SendRequest)
		require.NoError(t, o.Own(b, got))
		clear(b)
		wants, gots = append(wants, want), append(gots, got)
	}
	for i, want := range wants {
		require.True(t, proto.Equal(want, gots[i]), i)
		require.Equal(t, want.Tags == nil, gots[i].Tags == nil, i)
		gots[i].Payload = append(gots[i].Payload, "yyyyyyyy"...) // into nobody else's
		_ = append(gots[i].Tags, "mine")
	}
	for i, want := range wants {
		require.Equal(t, want.Tags, gots[i].Tags)
		require.Equal(t, want.Queue, gots[i].Queue)
	}
}

// TestOwnerSeesAllBytes: a message whose own messages have bytes is decoded
// the usual way, as those could be appended to as well.
func TestOwnerSeesAllBytes(t *testing.T) {
	t.Parallel()
	o := OwnerOf(new(echov1.WaitRequest))
	require.True(t, o.Borrows())
	require.False(t, o.borrows)
	b, err := proto.Marshal(&echov1.WaitRequest{Send: request()})
	require.NoError(t, err)
	got := new(echov1.WaitRequest)
	require.NoError(t, o.Own(b, got))
	got.Send.Payload = append(got.Send.Payload, "yyyy"...)
	require.Equal(t, request().Tags, got.Send.Tags)
}

// TestOwnerAllocatesLittle: a small message takes one allocation now and then, for a
// chunk.
func TestOwnerAllocatesLittle(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of all goroutines
	o, m := OwnerOf(request()), new(echov1.SendRequest)
	b, err := proto.Marshal(request())
	require.NoError(t, err)
	require.NoError(t, o.Own(b, m))
	allocs := testing.AllocsPerRun(1000, func() {
		m.Tags = nil
		if err := o.Own(b, m); err != nil {
			panic(err)
		}
	})
	require.Zero(t, allocs, "AllocsPerRun rounds down")
}

// TestOwnerSharesLittle: whoever keeps a list keeps no more of other messages than Share, and
// large ones share nothing.
func TestOwnerSharesLittle(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 700, Most - 100, Most + 1} {
		o, shared, chunks := OwnerOf(request()), 0, 0
		b, err := proto.Marshal(&echov1.SendRequest{Payload: make([]byte, size), Tags: []string{"a"}})
		require.NoError(t, err)
		for range 100 {
			before := len(o.strings)
			require.NoError(t, o.Own(b, new(echov1.SendRequest)))
			switch after := len(o.strings); {
			case after > before:
				shared, chunks = len(b), chunks+1
			case after < before:
				shared += len(b)
			}
			require.LessOrEqual(t, shared, Share)
		}
		require.Equal(t, size < Most, chunks > 0, size)
	}
}

// TestOwners: messages of all types are decoded, also those that have a generated one in them,
// whose bytes are out of sight, and without owners.
func TestOwners(t *testing.T) {
	t.Parallel()
	type wrapped struct{ *echov1.SendRequest }
	for _, o := range []*Owners{nil, {}} {
		for range 3 {
			for _, got := range []proto.Message{
				new(echov1.SendRequest), new(echov1.SendResponse), &wrapped{new(echov1.SendRequest)}, new(echov1.Tree),
			} {
				want := proto.Clone(got)
				fill(want)
				b, err := proto.Marshal(want)
				require.NoError(t, err)
				require.NoError(t, o.Own(b, got))
				clear(b)
				require.True(t, proto.Equal(want, got), "%T", got)
				if w, ok := got.(*wrapped); ok {
					w.Payload = append(w.Payload, "yyyyyyyy"...)
					require.Equal(t, request().Tags, w.Tags)
				}
			}
		}
	}
}

// fill gives an empty message what request has.
func fill(m proto.Message) {
	b, err := proto.Marshal(request())
	if err == nil {
		err = proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, m)
	}
	if err != nil { // of another type
		proto.Reset(m)
	}
}
