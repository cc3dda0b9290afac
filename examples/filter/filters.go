// Package filter is a host whose plugins are guests: text filters, each a WebAssembly library
// that offers filter.v1.Filter. The host calls them with a typed client, keeps a pool of
// instances for each, and exchanges one for a newer version while calls run. docs/host-calls-guest.md
// goes through it.
package filter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	filterv1 "github.com/iansmith/parigot/examples/filter/gen/filter/v1"
	"github.com/iansmith/parigot/examples/filter/gen/filter/v1/filterv1parigot"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// instances is how many instances of a filter there are at most.
const instances = 4

// Filters are the filters of a host, in the order in which they were loaded first. Its methods
// are safe for concurrent use. Close it before the engine.
type Filters struct {
	host *eng.Host

	mu    sync.RWMutex
	chain []*loaded
}

// loaded is a version of a filter.
type loaded struct {
	name   string
	calls  sync.WaitGroup // texts on their way through the chain
	pool   *eng.Pool
	client filterv1parigot.FilterClient
}

// New returns filters that run on host. There are none yet.
func New(host *eng.Host) *Filters { return &Filters{host: host} }

// Load compiles a filter, makes sure that it is one, and puts it at the end of the chain, or
// in the place of the one with the same name. Calls that run finish with the old one. With an
// error nothing changes: that of the engine, or FAILED_PRECONDITION for a guest that is no filter.
func (f *Filters) Load(ctx context.Context, name string, wasm []byte) error {
	fresh, err := f.start(ctx, name, wasm)
	if err != nil {
		return fmt.Errorf("load filter %q: %w", name, err)
	}
	if old := f.exchange(fresh); old != nil {
		return old.close(ctx)
	}
	return nil
}

// exchange puts a filter into the chain and returns the one in whose place it is, or nil.
func (f *Filters) exchange(fresh *loaded) (old *loaded) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.chain, func(l *loaded) bool { return l.name == fresh.name })
	f.chain = slices.Clone(f.chain) // calls go through the other
	if i < 0 {
		f.chain = append(f.chain, fresh)
		return nil
	}
	old, f.chain[i] = f.chain[i], fresh
	return old
}

// close waits for the texts that are to go through the filter, and frees it.
func (l *loaded) close(ctx context.Context) error {
	l.calls.Wait()
	return l.pool.Close(ctx)
}

func (f *Filters) start(ctx context.Context, name string, wasm []byte) (*loaded, error) {
	guest, err := f.host.Compile(ctx, name, wasm)
	if err != nil {
		return nil, err
	}
	pool, err := guest.NewPool(ctx, 1, instances)
	if err != nil {
		return nil, err
	}
	offers, err := pool.Offers(ctx)
	if err == nil && !slices.Contains(offers, filterv1parigot.Filter_Apply_FullName) {
		err = status.Errorf(status.FailedPrecondition, "the guest is no filter: it offers %q", offers)
	}
	if err != nil {
		_ = pool.Close(ctx) // the other error is the reason
		return nil, err
	}
	return &loaded{name: name, pool: pool, client: filterv1parigot.NewFilterClient(pool)}, nil
}

// Apply sends text through all filters. The error is that of the first filter that fails; the
// name of the filter is before it.
func (f *Filters) Apply(ctx context.Context, text string) (string, error) {
	chain := f.enter()
	defer leave(chain)
	for _, l := range chain {
		resp, err := l.client.Apply(ctx, &filterv1.ApplyRequest{Text: text})
		if err != nil {
			return "", fmt.Errorf("filter %q: %w", l.name, err)
		}
		text = resp.GetText()
	}
	return text, nil
}

// enter returns the filters as they are now. None of them is closed before leave.
func (f *Filters) enter() []*loaded {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, l := range f.chain {
		l.calls.Add(1)
	}
	return f.chain
}

func leave(chain []*loaded) {
	for _, l := range chain {
		l.calls.Done()
	}
}

// Describe returns what each filter says of itself.
func (f *Filters) Describe(ctx context.Context) ([]string, error) {
	chain := f.enter()
	defer leave(chain)
	var all []string
	for _, l := range chain {
		resp, err := l.client.Describe(ctx, new(filterv1.DescribeRequest))
		if err != nil {
			return nil, fmt.Errorf("filter %q: %w", l.name, err)
		}
		all = append(all, l.name+" "+resp.GetSummary())
	}
	return all, nil
}

// Close waits for the calls that run and frees the filters.
func (f *Filters) Close(ctx context.Context) error {
	f.mu.Lock()
	chain := f.chain
	f.chain = nil
	f.mu.Unlock()
	var errs []error
	for _, l := range chain {
		errs = append(errs, l.close(ctx))
	}
	return errors.Join(errs...)
}
