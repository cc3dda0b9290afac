// Package plugintest helps to test plugins with real guests. A test starts its plugin on an
// engine of its own, builds a guest from Go code, and runs it:
//
//	func TestGuest(t *testing.T) {
//		t.Parallel()
//		plugin := plugintest.With(file.ParigotInitialize, pluginsdk.WithConfig(&filev1.FileConfig{Root: t.TempDir()}))
//		host := plugintest.Host(t, plugin)
//		guest := plugintest.Guest(t, host, "guest")
//		var out bytes.Buffer
//		code, err := guest.Run(t.Context(), eng.WithStdout(&out))
//		if err != nil || code != 0 || !strings.Contains(out.String(), "wrote    1048576 bytes") {
//			t.Fatal(code, err, out.String())
//		}
//	}
//
// Most tests of a plugin need no guest: a local client of the generated code calls an
// implementation as a guest would, with the same copies, limits and errors.
//
// Guests are compiled once and kept in the user's cache directory, below parigot/test, so
// that only the first run after a change takes seconds. All functions may be called by tests
// that run in parallel. They end the test when they fail.
package plugintest

import (
	"context"
	"log/slog"
	"path"
	"path/filepath"
	"testing"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// Host returns an engine on which the plugins are started, in their order. Give a plugin its
// configuration by [With]. Host is [Engine] without options, and [pluginsdk.Start] for each
// plugin: nil, or a plugin that cannot start, ends the test.
func Host(tb testing.TB, plugins ...pluginsdk.ParigotInit) *eng.Host {
	tb.Helper()
	h := Engine(tb)
	for _, p := range plugins {
		if err := pluginsdk.Start(tb.Context(), h, p); err != nil {
			tb.Fatalf("plugintest.Host: %v", err)
		}
	}
	return h
}

// With returns plugin to be started with options, for [Host]: its configuration, say.
func With(plugin pluginsdk.ParigotInit, opts ...pluginsdk.StartOption) pluginsdk.ParigotInit {
	return pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
		if err := pluginsdk.Start(ctx, e, plugin, opts...); err != nil {
			return pluginsdk.InitError(e, err)
		}
		return true
	})
}

// Engine returns an engine without plugins. It logs to the test, keeps compiled guests for
// later tests, and closes with the test, which fails if that fails. opts come after these
// settings and may change them.
func Engine(tb testing.TB, opts ...eng.Option) *eng.Host {
	tb.Helper()
	out := &testLog{to: tb.Output()}
	h, err := eng.New(tb.Context(), append([]eng.Option{
		eng.WithCacheDir(guesttest.CacheDir(tb)),
		eng.WithLogger(slog.New(slog.NewTextHandler(out, nil))),
	}, opts...)...)
	if err != nil {
		tb.Fatalf("plugintest.Engine: %v", err)
	}
	tb.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			tb.Errorf("close the engine: %v", err)
		}
		out.end()
	})
	return h
}

// Source is where a guest comes from: the folder of a Go program, relative to the test's own
// folder, or its import path; or the bytes of a WebAssembly module.
type Source interface{ string | []byte }

// Guest builds a guest, unless source is a module, and compiles it on h. The guest has the
// name of its folder, or "guest". Guests that are libraries need a flag, see [Build].
func Guest[S Source](tb testing.TB, h *eng.Host, source S, opts ...eng.GuestOption) *eng.Guest {
	tb.Helper()
	name, module := "guest", []byte(source)
	if folder, ok := any(source).(string); ok {
		name, module = path.Base(filepath.ToSlash(folder)), Build(tb, folder)
	}
	g, err := h.Compile(tb.Context(), name, module, opts...)
	if err != nil {
		tb.Fatalf("plugintest.Guest: compile %s: %v", name, err)
	}
	return g
}

// Build builds a guest from the folder of a Go program, relative to the test's own folder, or
// its import path, and returns the module. flags are those of go build: a library that the
// host calls needs -buildmode=c-shared. A program is built once in each process, for each set of flags.
func Build(tb testing.TB, folder string, flags ...string) []byte {
	tb.Helper()
	return guesttest.Build(tb, folder, flags...)
}
