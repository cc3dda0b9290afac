//go:build !wasip1

package kernel

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/serve"
	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// fakeKernel is a kernel whose guest is the test's. What it does not say is success.
type fakeKernel struct {
	syscallpbparigot.UnimplementedSyscallServer

	reads   chan any // what Next returns: a response, or an error
	answers chan *syscallpb.ReturnValueRequest
	called  func(*syscallpb.CallRequest) ([]byte, error)
	answer  func(*syscallpb.ReturnValueRequest) error
	methods []*syscallpb.MethodBinding

	launches, requires, locates []error // what these calls return, one after the other

	calling callStats

	mu    sync.Mutex
	exits int
	alone []bool // what each Launch said of single_flight
}

func newFake() *fakeKernel {
	return &fakeKernel{
		reads: make(chan any), answers: make(chan *syscallpb.ReturnValueRequest, 2*MaxCalls),
		calling: callStats{
			ended:      func() uint64 { return 0 },
			awaitEnd:   func(uint64) bool { return false },
			goroutines: func() int { return 0 },
		},
	}
}

func (k *fakeKernel) runtime(stderr *bytes.Buffer) *runtime {
	return newRuntime(syscallpbparigot.NewLocalSyscallClient(k), k.calling, stderr)
}

func number(n uint64) *parigotpb.Id { return &parigotpb.Id{Low: n} }

func (k *fakeKernel) Register(_ context.Context, _ *syscallpb.RegisterRequest) (*syscallpb.RegisterResponse, error) {
	return &syscallpb.RegisterResponse{ServiceId: number(1)}, nil
}

func (k *fakeKernel) BindMethod(_ context.Context, _ *syscallpb.BindMethodRequest) (*syscallpb.BindMethodResponse, error) {
	return &syscallpb.BindMethodResponse{MethodId: number(7)}, nil
}

func (k *fakeKernel) Export(context.Context, *syscallpb.ExportRequest) (*syscallpb.ExportResponse, error) {
	return new(syscallpb.ExportResponse), nil
}

func (k *fakeKernel) Launch(_ context.Context, req *syscallpb.LaunchRequest) (*syscallpb.LaunchResponse, error) {
	k.alone = append(k.alone, req.GetSingleFlight())
	return new(syscallpb.LaunchResponse), next(&k.launches)
}

func (k *fakeKernel) Require(context.Context, *syscallpb.RequireRequest) (*syscallpb.RequireResponse, error) {
	return new(syscallpb.RequireResponse), next(&k.requires)
}

// next returns the first of some errors, and takes it from them; nil after the last.
func next(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

func (k *fakeKernel) Exit(context.Context, *syscallpb.ExitRequest) (*syscallpb.ExitResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.exits++
	return new(syscallpb.ExitResponse), nil
}

func (k *fakeKernel) Locate(_ context.Context, _ *syscallpb.LocateRequest) (*syscallpb.LocateResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &syscallpb.LocateResponse{ServiceId: number(1), Binding: k.methods}, next(&k.locates)
}

// call is the import of the kernel's Call.
func (k *fakeKernel) call(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64 {
	m := new(syscallpb.CallRequest)
	err := proto.Unmarshal(unsafe.Slice((*byte)(req), reqLen), m)
	var body []byte
	if err == nil {
		body, err = k.called(m)
	}
	code := int32(0)
	if err != nil {
		s, _ := status.From(err)
		code, _ = s.WireCode()
		body, _ = proto.Marshal(s.Proto())
	} else {
		body = append(make([]byte, syscallwire.ResultPrefix), body...)
		syscallwire.PutResult(body, len(body)-syscallwire.ResultPrefix)
	}
	return int64(abi.Result(code, uint32(copy(unsafe.Slice((*byte)(resp), respCap), body))))
}

// next makes a call of the kernel's Next.
func (k *fakeKernel) next(req []byte, _ *guest.Receiver, left func()) ([]byte, error) {
	m := new(syscallpb.NextRequest)
	if err := proto.Unmarshal(req, m); err != nil {
		return nil, err
	}
	if m.GetCall() != 0 {
		answer := &syscallpb.ReturnValueRequest{CallId: m.GetCall(), Result: m.GetResult(), ResultError: m.GetResultError()}
		if _, err := k.ReturnValue(context.Background(), answer); err != nil {
			left()
			return nil, err
		}
	}
	left()
	switch next := (<-k.reads).(type) {
	case error:
		return nil, next
	case *syscallpb.NextResponse:
		return proto.Marshal(next)
	}
	return nil, nil
}

func (k *fakeKernel) ReturnValue(_ context.Context, req *syscallpb.ReturnValueRequest) (*syscallpb.ReturnValueResponse, error) {
	if k.answer != nil {
		if err := k.answer(req); err != nil {
			return nil, err
		}
	}
	k.answers <- proto.Clone(req).(*syscallpb.ReturnValueRequest)
	return new(syscallpb.ReturnValueResponse), nil
}

func bytesOf(n int) *wrapperspb.BytesValue { return wrapperspb.Bytes(make([]byte, n)) }

// remote returns a located service with one method.
func remote(t *testing.T, r *runtime, k *fakeKernel) *Remote {
	t.Helper()
	k.methods = []*syscallpb.MethodBinding{{MethodName: "Do", MethodId: number(7)}, {MethodName: "Other", MethodId: number(8)}}
	m, err := r.locate(t.Context(), "test.v1.Test", k.call, []string{"Do"})
	require.NoError(t, err)
	again, err := r.locate(t.Context(), "test.v1.Test", k.call, []string{"Do"})
	require.NoError(t, err)
	require.Same(t, m, again)
	return m
}

// service returns a service whose one method waits until done is closed.
func service(done chan struct{}) guest.Service {
	return guest.Service{Name: "test.v1.Test", Impl: done, Methods: []guest.ServedMethod{{
		Name: "Do",
		Handler: serve.Raw(func(ctx context.Context, param, dst []byte) ([]byte, error) {
			select {
			case <-done:
				return append(dst, param...), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}),
	}}}
}

// serving runs a service, and returns what ends it. The test has to call that.
func serving(t *testing.T, r *runtime, k *fakeKernel, s guest.Service) func() {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.serve(ctx, s, k.next, nil) }()
	return func() {
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	}
}

// incomingCall is what Next brings.
func incomingCall(n uint64, size int) *syscallpb.NextResponse {
	return &syscallpb.NextResponse{Call: n, MethodLow: 7, CallerName: "caller", Param: make([]byte, size)}
}
