package kernel

import (
	"context"
	"errors"
	"io"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// runtime is the guest's end of the kernel. One goroutine, the pump, reads what the
// kernel has for the guest, while the guest serves or waits for a result.
type runtime struct {
	kernel   syscallpbparigot.SyscallClient
	calling  callStats
	stderr   io.Writer // gets what callers are not told
	maxBytes int

	mu       sync.Mutex
	known    bool                     // to the kernel
	pumping  bool                     // the pump runs
	broken   error                    // why the pump has stopped
	ended    chan struct{}            // closed when it has, or the guest should end
	exit     *syscallpb.ExitNotice    // why the guest should end
	client   *parigotpb.Id            // the service that stands for the guest itself
	remotes  map[string]*Remote       // what was located
	calls    map[id.CallId]*outgoing  // that wait for their results
	services map[string]*served       // that the guest serves
	methods  map[id.MethodId]*handled // of these services
	serving  map[id.CallId]*incoming  // calls that are being served
	bytes    int                      // of their requests

	tasks  chan task    // takes a call when a goroutine that served one is idle
	idlers atomic.Int32 // how many are
}

// maxIdlers is how many goroutines wait for calls to serve, with what their stacks
// have grown to.
const maxIdlers = 64

// callStats is what the package guest knows of the calls that are pending.
type callStats struct {
	ended      func() uint64
	awaitEnd   func(n uint64) bool
	goroutines func() int
}

func newRuntime(k syscallpbparigot.SyscallClient, calling callStats, stderr io.Writer) *runtime {
	return &runtime{
		kernel: k, calling: calling, stderr: stderr, maxBytes: MaxBytes,
		ended: make(chan struct{}), tasks: make(chan task),
		remotes: map[string]*Remote{}, calls: map[id.CallId]*outgoing{},
		services: map[string]*served{}, methods: map[id.MethodId]*handled{}, serving: map[id.CallId]*incoming{},
	}
}

// resume has the pump read, which there is a reason for now. The caller holds r.mu.
func (r *runtime) resume() {
	if !r.pumping {
		r.pumping = true
		go r.pump()
	}
}

// listen lets the pump read for who serves. It reports whether the kernel knows the
// guest: else nothing will come.
func (r *runtime) listen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known {
		r.resume()
	}
	return r.known
}

// wanted reports whether there is anything to read for. If not, the pump has to stop:
// then nothing of the guest is pending, so that Go finds a guest that waits for itself.
func (r *runtime) wanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pumping = len(r.calls) > 0 || len(r.services) > 0 && r.exit == nil
	return r.pumping
}

// alone reports whether nothing of the guest can run while the goroutine that asks
// waits, but for what a timer may start.
func (r *runtime) alone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.pumping && goruntime.NumGoroutine()-r.calling.goroutines() <= 1
}

// pump reads while somebody serves or waits, and until that fails.
func (r *runtime) pump() {
	req := new(syscallpb.ReadOneRequest)
	for r.wanted() {
		// What was read last comes first: it may end the wait of somebody.
		goruntime.Gosched()
		ended := r.calling.ended()
		got, err := r.kernel.ReadOne(context.Background(), req)
		switch {
		case err == nil:
			r.take(got)
		case errors.Is(err, status.Of(status.ResourceExhausted)) && r.calling.awaitEnd(ended):
			// As many calls of the guest were pending as may be.
		default:
			r.fail(err)
			return
		}
	}
}

// take gives everybody what ReadOne brought.
func (r *runtime) take(got *syscallpb.ReadOneResponse) {
	for _, in := range got.GetCall() {
		r.accept(in)
	}
	for _, out := range got.GetResolved() {
		r.resolve(out)
	}
	for _, cid := range got.GetCancelled() {
		r.abandon(id.FromProto[id.CallKind](cid))
	}
	if e := got.GetExit(); e.GetDrained() {
		r.end(e)
	}
}

// end tells those who serve that the guest should end.
func (r *runtime) end(e *syscallpb.ExitNotice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.exit == nil {
		r.exit = e
		close(r.ended)
	}
}

// fail ends everything: the kernel is gone.
func (r *runtime) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
	if r.exit == nil {
		r.exit = new(syscallpb.ExitNotice)
		close(r.ended)
	}
	for cid, c := range r.calls {
		delete(r.calls, cid)
		c.end(nil, err)
	}
	for _, c := range r.serving {
		c.cancel()
	}
}

// why returns the error of who serves until now.
func (r *runtime) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.broken != nil:
		return r.broken
	case r.exit.GetEveryone() && r.exit.GetCode() != 0:
		return &ExitError{Code: int(r.exit.GetCode())}
	}
	return nil
}

// asClient registers the guest as a client, once, and returns the service that stands for
// it. As it requires nothing yet, it is launched at once.
func (r *runtime) asClient(ctx context.Context) (*parigotpb.Id, error) {
	r.mu.Lock()
	sid := r.client
	r.mu.Unlock()
	if sid != nil {
		return sid, nil
	}
	sid, err := r.register(ctx, &syscallpb.RegisterRequest{IsClient: true})
	if err != nil {
		return nil, err
	}
	if _, err := r.kernel.Launch(ctx, &syscallpb.LaunchRequest{ServiceId: sid}); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.client = sid
	return sid, nil
}

// register makes the guest known to the kernel, and has it act as a service.
func (r *runtime) register(ctx context.Context, req *syscallpb.RegisterRequest) (*parigotpb.Id, error) {
	registered, err := r.kernel.Register(ctx, req)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = true
	return registered.GetServiceId(), nil
}

// require says that a service of the guest needs another, which it may have said
// before.
func (r *runtime) require(ctx context.Context, source *parigotpb.Id, name string) error {
	_, err := r.kernel.Require(ctx, &syscallpb.RequireRequest{
		Source: source, Dest: []*syscallpb.FullyQualifiedService{qualified(name)},
	})
	if errors.Is(err, status.Of(syscallpb.KernelErr_ServiceAlreadyRequired)) {
		return nil
	}
	return err
}

// qualified splits the full name of a service.
func qualified(name string) *syscallpb.FullyQualifiedService {
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		return &syscallpb.FullyQualifiedService{PackageName: name[:dot], ServiceName: name[dot+1:]}
	}
	return &syscallpb.FullyQualifiedService{ServiceName: name}
}
