package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/experimental/wazerotest"
	"google.golang.org/protobuf/proto"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	plainv1 "github.com/iansmith/parigot/bench/call/gen/plain/v1"
	"github.com/iansmith/parigot/bench/call/work"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// limits are the messages without a guest, encoded and decoded by native code.
func limits() []side {
	return []side{
		{"native-protobuf-go", limit, openNative(nativePlain)},
		{"native-vtprotobuf", limit, openNative(nativeVT)},
		{"native-vtprotobuf-reused", limit, openNative(nativeReused)},
		{"native-host-half", limit, openNative(nativeHalf)},
	}
}

// nativePlain encodes and decodes request and response with protobuf-go.
func nativePlain(size int) native {
	payload, tags := work.Payload(size), work.Tags()
	return func(calls int) error {
		for seq := range uint64(calls) {
			b, err := proto.Marshal(&plainv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
			if err != nil {
				return err
			}
			req := new(plainv1.SendRequest)
			if err := proto.Unmarshal(b, req); err != nil {
				return err
			}
			resp, err := (plainImpl{}).Send(context.Background(), req)
			if err != nil {
				return err
			}
			if b, err = proto.Marshal(resp); err != nil {
				return err
			}
			resp = new(plainv1.SendResponse)
			if err := proto.Unmarshal(b, resp); err != nil {
				return err
			}
			if err := work.Check(resp, size, seq); err != nil {
				return err
			}
		}
		return nil
	}
}

// nativeVT does it with vtprotobuf.
func nativeVT(size int) native {
	payload, tags := work.Payload(size), work.Tags()
	return func(calls int) error {
		for seq := range uint64(calls) {
			b, err := (&callv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags}).MarshalVT()
			if err != nil {
				return err
			}
			req, resp := new(callv1.SendRequest), new(callv1.SendResponse)
			if err := req.UnmarshalVT(b); err != nil {
				return err
			}
			if err := (callImpl{}).SendInto(context.Background(), req, resp); err != nil {
				return err
			}
			if b, err = resp.MarshalVT(); err != nil {
				return err
			}
			resp = new(callv1.SendResponse)
			if err := resp.UnmarshalVT(b); err != nil {
				return err
			}
			if err := work.Check(resp, size, seq); err != nil {
				return err
			}
		}
		return nil
	}
}

// nativeReused uses all messages and buffers again, and messages alias the buffers.
func nativeReused(size int) native {
	sent := &callv1.SendRequest{Queue: work.Queue, Payload: work.Payload(size), Tags: work.Tags()}
	var req callv1.SendRequest
	var resp, received callv1.SendResponse
	var buffer, answer []byte
	return func(calls int) error {
		for seq := range uint64(calls) {
			sent.Seq = seq
			buffer = sized(buffer, sent.SizeVT())
			if _, err := sent.MarshalToSizedBufferVT(buffer); err != nil {
				return err
			}
			req.Queue, req.Payload, req.Seq, req.Tags = "", nil, 0, req.Tags[:0]
			if err := req.UnmarshalVTUnsafe(buffer); err != nil {
				return err
			}
			if err := (callImpl{}).SendInto(context.Background(), &req, &resp); err != nil {
				return err
			}
			answer = sized(answer, resp.SizeVT())
			if _, err := resp.MarshalToSizedBufferVT(answer); err != nil {
				return err
			}
			received.Id, received.Payload, received.Seq, received.Tags = 0, nil, 0, received.Tags[:0]
			if err := received.UnmarshalVTUnsafe(answer); err != nil {
				return err
			}
			if err := work.Check(&received, size, seq); err != nil {
				return err
			}
		}
		return nil
	}
}

// sized returns a buffer of n bytes, b if it is large enough.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// nativeHalf is what the bridge does of a call: it decodes a request, has it answered, and
// encodes the response into a buffer that is there.
func nativeHalf(size int) native {
	b, err := encodedRequest(size)
	buffer := make([]byte, 2*len(b))
	return func(calls int) error {
		for range calls {
			req, resp := new(callv1.SendRequest), new(callv1.SendResponse)
			if err = req.UnmarshalVT(b); err != nil {
				return err
			}
			if err := (callImpl{}).SendInto(context.Background(), req, resp); err != nil {
				return err
			}
			if _, err := resp.MarshalToSizedBufferVT(buffer[:resp.SizeVT()]); err != nil {
				return err
			}
		}
		return err
	}
}

func encodedRequest(size int) ([]byte, error) {
	return (&callv1.SendRequest{Queue: work.Queue, Payload: work.Payload(size), Tags: work.Tags()}).MarshalVT()
}

// recorder is an engine that keeps the functions that are registered, to call them as a
// guest does.
type recorder struct {
	*eng.Host
	functions map[string]eng.HostFunc
}

func (r *recorder) Register(ctx context.Context, m eng.HostModule) error {
	for _, f := range m.Functions {
		r.functions[m.Name+"."+f.Name] = f.Call
	}
	return r.Host.Register(ctx, m)
}

// bridge is a native contest in the place of a guest's calls.
type bridge struct {
	native
	guest *instance
}

func (b *bridge) close(ctx context.Context) error { return b.guest.close(ctx) }

// openBridge calls the bridge from native code, with the context of a guest's calls and
// the buffers of one: the request in one half of a memory, the response in the other.
func (p *parigot) openBridge(ctx context.Context, size int) (contest, error) {
	const memory, half = 4 << 20, 2 << 20
	req, err := encodedRequest(size)
	if err != nil {
		return nil, err
	}
	i, err := openInstance(ctx, p.trusted, "memory_size", size)
	if err != nil {
		return nil, err
	}
	if _, err := i.memory(ctx); err != nil { // a call, whose context is kept
		return nil, errors.Join(err, i.close(ctx))
	}
	send, calling := p.functions["bench.call.v1.Call.Send"], context.WithoutCancel(*p.calling.Load())
	m := wazerotest.NewModule(wazerotest.NewFixedMemory(memory))
	m.Memory().Write(0, req)
	return &bridge{guest: i, native: func(calls int) error {
		var stack [4]uint64
		for range calls {
			stack = [4]uint64{0, uint64(len(req)), half, half}
			send(calling, m, stack[:])
			if code := int32(stack[0] >> 32); code != 0 {
				return fmt.Errorf("the bridge returned the code %d", code)
			}
		}
		return nil
	}}, nil
}
