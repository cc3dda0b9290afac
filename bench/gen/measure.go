package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// sample is what one run of a plugin took.
type sample struct {
	wall, cpu time.Duration
	memory    int64 // peak, in bytes
}

// result is what all runs of a plugin on one request took: medians.
type result struct {
	sample
	files, bytes int // of the response
}

// compare returns the table of all plugins on the requests of equal terms.
func (b *bench) compare(ctx context.Context, corpus bool) (string, error) {
	inputs := []string{"200 services × 20 methods, a file each", "200 services × 20 methods, one file"}
	names := []string{requestName(200, false), requestName(200, true)}
	if corpus {
		inputs, names = append(inputs, "corpus"), append(names, corpusName)
	}
	var text strings.Builder
	text.WriteString("| request | plugin | wall | ratio | CPU | peak memory | ratio | files | output |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for i, name := range names {
		results, err := b.measure(ctx, name, plugins, b.rounds)
		if err != nil {
			return "", err
		}
		b.check(inputs[i], results)
		for j, r := range results {
			input := inputs[i]
			if j > 0 {
				input = ""
			}
			fmt.Fprintf(&text, "| %s | %s | %.0f ms | %.2f | %.0f ms | %.0f MB | %.2f | %d | %.1f MB |\n", input, path.Base(plugins[j]),
				ms(r.wall), ratio(int64(r.wall), int64(results[0].wall)), ms(r.cpu),
				float64(r.memory)/1e6, ratio(r.memory, results[0].memory), r.files, float64(r.bytes)/1e6)
		}
	}
	text.WriteString("\nA ratio is to protoc-gen-parigot: above 1 is slower, or more memory.\n")
	return text.String(), nil
}

// check notes when the first plugin is slower than the bound allows.
func (b *bench) check(input string, results []result) {
	fastest := results[1].wall
	for _, r := range results[2:] {
		fastest = min(fastest, r.wall)
	}
	if r := ratio(int64(results[0].wall), int64(fastest)); r > bound && b.tooSlow == nil {
		b.tooSlow = fmt.Errorf("%s: %.2f times the time of the fastest, more than %.1f", input, r, bound)
	}
}

// linearity returns the table of the first plugin on growing requests.
func (b *bench) linearity(ctx context.Context) (string, error) {
	var text strings.Builder
	text.WriteString("\nprotoc-gen-parigot on services of 20 methods, wall time and time for each service:\n\n| services | a file each | | one file | |\n|--:|--:|--:|--:|--:|\n")
	for _, services := range sizes {
		fmt.Fprintf(&text, "| %d ", services)
		for _, oneFile := range []bool{false, true} {
			results, err := b.measure(ctx, requestName(services, oneFile), plugins[:1], max(b.rounds/2, 3))
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&text, "| %.0f ms | %.2f ms ", ms(results[0].wall), ms(results[0].wall)/float64(services))
		}
		text.WriteString("|\n")
	}
	return text.String(), nil
}

// measure runs plugins on a request, in turns, after one round that does not
// count.
func (b *bench) measure(ctx context.Context, request string, which []string, rounds int) ([]result, error) {
	samples := make([][]sample, len(which))
	results := make([]result, len(which))
	for round := range rounds + 1 {
		for i := range which {
			i = (i + round) % len(which)
			s, err := b.once(ctx, path.Base(which[i]), request)
			if err != nil {
				return nil, fmt.Errorf("%s on %s: %w", path.Base(which[i]), request, err)
			}
			if round > 0 {
				samples[i] = append(samples[i], s)
				continue
			}
			out, err := b.self(ctx, "-inspect", filepath.Join(b.dir, "response"))
			if err != nil {
				return nil, err
			}
			if _, err := fmt.Sscan(out, &results[i].files, &results[i].bytes); err != nil {
				return nil, err
			}
		}
	}
	for i := range which {
		results[i].wall = median(samples[i], func(s sample) time.Duration { return s.wall })
		results[i].cpu = median(samples[i], func(s sample) time.Duration { return s.cpu })
		results[i].memory = median(samples[i], func(s sample) int64 { return s.memory })
	}
	return results, nil
}

// once runs a plugin on a request, which is in a file named after the plugin,
// because each has parameters of its own.
func (b *bench) once(ctx context.Context, plugin, request string) (sample, error) {
	in, err := os.Open(filepath.Join(b.dir, request+"."+plugin))
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(filepath.Join(b.dir, "response"))
	if err != nil {
		return sample{}, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, plugin))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, nil
	start := time.Now()
	err = cmd.Run()
	wall := time.Since(start)
	if err := cmp.Or(err, out.Close()); err != nil {
		return sample{}, err
	}
	return sample{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory: peak(cmd.ProcessState)}, nil
}

// peak returns the peak memory of a process that ended, in bytes.
func peak(state *os.ProcessState) int64 {
	usage := state.SysUsage().(*syscall.Rusage)
	if runtime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss * 1024
}

func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, 0, len(samples))
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func ratio(a, b int64) float64 { return float64(a) / float64(b) }
