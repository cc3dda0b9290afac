package kernel

import (
	"context"
	"errors"
	"io"
	goruntime "runtime"
	"strings"
	"sync"

	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// runtime is the guest's end of the kernel. One goroutine at a time is the reader: it reads what
// the kernel has for the guest, and serves the calls. See attend.go.
type runtime struct {
	kernel   syscallpbparigot.SyscallClient
	next     nextFunc // nil as long as the guest serves nothing
	calling  callStats
	stderr   io.Writer // gets what callers are not told
	maxBytes int

	mu       sync.Mutex
	known    bool                     // to the kernel
	broken   error                    // why nothing can be read any more
	ended    chan struct{}            // closed when that is so, or the guest should end
	exit     *syscallpb.ExitNotice    // why the guest should end
	client   *parigotpb.Id            // the service that stands for the guest itself
	remotes  map[string]*Remote       // what was located
	services map[string]*served       // that the guest serves
	methods  map[id.MethodId]*handled // of these services
	serving  callsServed
	waiting  int // goroutines that wait for the reader
	readers
}

// nextFunc makes a call of the kernel's Next: see [guest.Exchange]. Who serves, and who calls,
// brings the import along, so that a guest imports only what it uses.
type nextFunc func(req []byte, r *guest.Receiver, left func()) ([]byte, error)

// callStats is what the package guest knows of the calls that are pending.
type callStats struct {
	ended      func() uint64
	awaitEnd   func(n uint64) bool
	goroutines func() int
}

func newRuntime(k syscallpbparigot.SyscallClient, calling callStats, stderr io.Writer) *runtime {
	return &runtime{
		kernel: k, calling: calling, stderr: stderr, maxBytes: MaxBytes,
		ended: make(chan struct{}), remotes: map[string]*Remote{},
		services: map[string]*served{}, methods: map[id.MethodId]*handled{},
		readers: readers{come: make(chan struct{}, 1)},
	}
}

// listen lets the reader read for who serves. It reports whether the kernel knows the
// guest: else nothing will come.
func (r *runtime) listen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known {
		r.resume()
	}
	return r.known
}

// alone reports whether nothing of the guest can run while the goroutine that asks
// waits, but for what a timer may start.
func (r *runtime) alone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.reading && r.others() <= 0
}

// others returns how many goroutines there are that may have something to do, beside the one
// that asks: those that wait for the reader, and for its place, have not. The caller holds r.mu.
func (r *runtime) others() int {
	return goruntime.NumGoroutine() - r.calling.goroutines() - r.waiting - r.standIns - 1
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
	for c := r.serving.first; c != nil; c = c.next {
		c.Cancel()
	}
	r.reading = false
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
