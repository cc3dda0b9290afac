package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/iansmith/parigot/examples/file"
	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// starts is how long the file example's guest takes until it runs.
type starts struct {
	size                          int // of the module, in bytes
	compile, cached, again, start time.Duration
	memory                        uint64 // of an instance, in bytes
}

// measureStarts builds the guest in dir, and takes the median of some rounds.
func measureStarts(ctx context.Context, dir string, rounds int) (s starts, err error) {
	wasm, err := buildFileGuest(ctx, dir)
	if err != nil {
		return s, err
	}
	s.size = len(wasm)
	var all []starts
	for i := range rounds {
		cache := filepath.Join(dir, fmt.Sprintf("start-%d", i))
		var one starts
		// Once without what is compiled, and once with it.
		if one.compile, _, err = startOnce(ctx, wasm, cache, nil); err != nil {
			return s, err
		}
		if one.cached, one.again, err = startOnce(ctx, wasm, cache, &one); err != nil {
			return s, err
		}
		all = append(all, one)
	}
	median := func(of func(starts) time.Duration) time.Duration {
		slices.SortFunc(all, func(a, b starts) int { return cmp.Compare(of(a), of(b)) })
		return of(all[len(all)/2])
	}
	s.compile = median(func(s starts) time.Duration { return s.compile })
	s.cached = median(func(s starts) time.Duration { return s.cached })
	s.again = median(func(s starts) time.Duration { return s.again })
	s.start = median(func(s starts) time.Duration { return s.start })
	s.memory = all[0].memory
	return s, nil
}

// startOnce compiles in a new engine, and again in the same one, and fills in what an
// instance takes, if it is asked to.
func startOnce(ctx context.Context, wasm []byte, cache string, instance *starts) (compile, again time.Duration, err error) {
	h, err := eng.New(ctx, eng.WithCacheDir(cache), eng.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, h.Close(ctx)) }()
	config := pluginsdk.WithConfig(&filev1.FileConfig{Root: filepath.Dir(cache)})
	if err := pluginsdk.Start(ctx, h, file.ParigotInitialize, config); err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	g, err := h.Compile(ctx, "file", wasm)
	compile = time.Since(begin)
	if err != nil || instance == nil {
		return compile, 0, err
	}
	begin = time.Now()
	if _, err := h.Compile(ctx, "file", wasm); err != nil {
		return compile, 0, err
	}
	again = time.Since(begin)
	// Until what it prints first, which is after its first calls.
	first := &firstWrite{begin: time.Now()}
	var usage eng.Usage
	_, err = g.Run(ctx, eng.WithUsage(&usage), eng.WithStdout(first))
	instance.start, instance.memory = first.took, usage.Memory
	return compile, again, err
}

// firstWrite notes when something is written first.
type firstWrite struct {
	begin time.Time
	took  time.Duration
}

func (w *firstWrite) Write(b []byte) (int, error) {
	if w.took == 0 {
		w.took = time.Since(w.begin)
	}
	return len(b), nil
}

// buildFileGuest builds the guest of the file example.
func buildFileGuest(ctx context.Context, dir string) ([]byte, error) {
	out := filepath.Join(dir, "file.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/iansmith/parigot/examples/file/guest")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build examples/file/guest: %w", err)
	}
	return os.ReadFile(out)
}

// startTable returns s in Markdown.
func startTable(s starts) string {
	var text strings.Builder
	text.WriteString("| | |\n|---|--:|\n")
	for _, row := range []struct {
		what string
		took time.Duration
	}{
		{"compile, nothing is cached", s.compile},
		{"compile in another process, from the cache on disk", s.cached},
		{"compile again in the same engine", s.again},
		{"an instance, until it has made its first calls and printed a line", s.start},
	} {
		fmt.Fprintf(&text, "| %s | %s |\n", row.what, row.took.Round(10*time.Microsecond))
	}
	fmt.Fprintf(&text, "| the module | %.1f MB |\n| memory of an instance at its end | %.1f MiB |\n", float64(s.size)/1e6, float64(s.memory)/(1<<20))
	return text.String()
}
