package filter_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/examples/filter"
	filterv1 "github.com/iansmith/parigot/examples/filter/gen/filter/v1"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const library = "-buildmode=c-shared"

// TestFilters: two guests in a row, one of which is exchanged for another while calls run.
func TestFilters(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := filter.New(plugintest.Engine(t, eng.WithCallBudget(time.Minute))) // this test keeps the processors busy
	shout, mask := plugintest.Build(t, "guest/shout", library), plugintest.Build(t, "guest/mask", library)
	require.NoError(t, f.Load(ctx, "first", mask))
	require.NoError(t, f.Load(ctx, "second", shout))
	about, err := f.Describe(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"first hides passwords", "second writes everything in capitals"}, about)

	text, err := f.Apply(ctx, "the password: is 123")
	require.NoError(t, err)
	require.Equal(t, "THE PASSWORD: *** 123", text)
	_, err = f.Apply(ctx, "two\nlines")
	require.ErrorIs(t, err, status.Of(filterv1.FilterErr_FILTER_ERR_REFUSED))
	require.ErrorContains(t, err, `filter "first"`)

	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				text, err := f.Apply(ctx, "password: secret")
				if err != nil || !strings.EqualFold(text, "password: ***") {
					t.Errorf("got %q, %v", text, err)
					return
				}
			}
		})
	}
	for range 5 {
		require.NoError(t, f.Load(ctx, "second", mask))
		require.NoError(t, f.Load(ctx, "second", shout))
	}
	close(stop)
	callers.Wait()
	require.NoError(t, f.Close(ctx))
}

// TestNoFilter: what is no filter is refused, and the one that there is stays.
func TestNoFilter(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := filter.New(plugintest.Engine(t))
	require.NoError(t, f.Load(ctx, "mask", plugintest.Build(t, "guest/mask", library)))
	err := f.Load(ctx, "mask", []byte("\x00asm\x01\x00\x00\x00"))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	text, err := f.Apply(ctx, "password x")
	require.NoError(t, err)
	require.Equal(t, "password ***", text)
	require.NoError(t, f.Close(ctx))
}
