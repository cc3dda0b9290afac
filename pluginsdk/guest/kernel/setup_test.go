//go:build !wasip1

package kernel

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/serve"
	"github.com/iansmith/parigot/pluginsdk/future"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// fakeKernel is a kernel whose guest is the test's. What it does not say is success.
type fakeKernel struct {
	syscallpbparigot.UnimplementedSyscallServer

	reads    chan any // what ReadOne returns: a response, or an error
	answers  chan *syscallpb.ReturnValueRequest
	dispatch func(*syscallpb.DispatchRequest) error
	answer   func(*syscallpb.ReturnValueRequest) error
	methods  []*syscallpb.MethodBinding

	launches, requires, locates []error // what these calls return, one after the other

	calling callStats

	mu        sync.Mutex
	lastCall  uint64
	cancelled []uint64
	exits     int
	alone     []bool // what each Launch said of single_flight
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

func (k *fakeKernel) Dispatch(_ context.Context, req *syscallpb.DispatchRequest) (*syscallpb.DispatchResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dispatch != nil {
		if err := k.dispatch(req); err != nil {
			return nil, err
		}
	}
	k.lastCall++
	return &syscallpb.DispatchResponse{CallId: number(k.lastCall)}, nil
}

func (k *fakeKernel) Cancel(_ context.Context, req *syscallpb.CancelRequest) (*syscallpb.CancelResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cancelled = append(k.cancelled, req.GetCallId().GetLow())
	return new(syscallpb.CancelResponse), nil
}

func (k *fakeKernel) ReadOne(ctx context.Context, _ *syscallpb.ReadOneRequest) (*syscallpb.ReadOneResponse, error) {
	switch next := (<-k.reads).(type) {
	case error:
		return nil, next
	case *syscallpb.ReadOneResponse:
		return next, ctx.Err()
	}
	return nil, ctx.Err()
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

func payload(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	value, err := proto.Marshal(m)
	require.NoError(t, err)
	return &anypb.Any{Value: value}
}

// result is what ReadOne brings when a call has one.
func result(t *testing.T, call uint64, m proto.Message) *syscallpb.ReadOneResponse {
	t.Helper()
	return &syscallpb.ReadOneResponse{Resolved: []*syscallpb.ResolvedCall{{CallId: number(call), Result: payload(t, m)}}}
}

// remote returns a located service with one method.
func remote(t *testing.T, r *runtime, k *fakeKernel) *Remote {
	t.Helper()
	k.methods = []*syscallpb.MethodBinding{{MethodName: "Do", MethodId: number(7)}, {MethodName: "Other", MethodId: number(8)}}
	m, err := r.locate(t.Context(), "test.v1.Test", []string{"Do"})
	require.NoError(t, err)
	again, err := r.locate(t.Context(), "test.v1.Test", []string{"Do"})
	require.NoError(t, err)
	require.Same(t, m, again)
	return m
}

// begin makes a call as a generated client does.
func begin(t *testing.T, m *Remote) *future.Method[*wrapperspb.BytesValue, error] {
	t.Helper()
	return future.Go(t.Context(), func(ctx context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
		return Call[wrapperspb.BytesValue](ctx, m, 0, req)
	}, bytesOf(1))
}

// service returns a service whose one method waits until done is closed.
func service(done chan struct{}) guest.Service {
	return guest.Service{Name: "test.v1.Test", Impl: done, Methods: []guest.ServedMethod{{
		Name: "Do",
		Handler: serve.Raw(func(ctx context.Context, param, _ []byte) ([]byte, error) {
			select {
			case <-done:
				return param, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}),
	}}}
}

// serving runs a service, and returns what ends it. The test has to call that.
func serving(t *testing.T, r *runtime, s guest.Service) func() {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.serve(ctx, s, nil) }()
	return func() {
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	}
}

func calls(t *testing.T, from, to uint64, size int) *syscallpb.ReadOneResponse {
	t.Helper()
	resp := new(syscallpb.ReadOneResponse)
	for n := from; n < to; n++ {
		resp.Call = append(resp.Call, &syscallpb.IncomingCall{
			CallId: number(n), MethodId: number(7), CallerName: "caller", Param: &anypb.Any{Value: make([]byte, size)},
		})
	}
	return resp
}
