package main

import (
	"cmp"
	"context"
	"errors"
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

// comparison is a request that all plugins get on equal terms.
type comparison struct {
	input, request string
	rounds         int // as a factor
}

// compare returns the table of all plugins.
func (b *bench) compare(ctx context.Context, corpus bool) (string, error) {
	all := []comparison{
		{"200 services × 20 methods, a file each", requestName(200, false), 1},
		{"200 services × 20 methods, one file", requestName(200, true), 1},
	}
	if corpus {
		all = append(all, comparison{corpusName, corpusName, 1})
		for i, file := range largeFiles {
			all = append(all, comparison{file, largeName(i), 3}) // they are quick
		}
	}
	var text strings.Builder
	text.WriteString("| request | plugin | wall | × | CPU | peak memory | × | files | output | × |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, c := range all {
		results, err := b.measure(ctx, c.request, plugins, c.rounds*b.rounds)
		if err != nil {
			return "", err
		}
		for j, r := range results {
			input, times := "", [3]string{}
			if j == 0 {
				input, times = c.input, b.check(c.input, results)
			}
			fmt.Fprintf(&text, "| %s | %s | %.0f ms | %s | %.0f ms | %.0f MB | %s | %d | %.2f MB | %s |\n", input, path.Base(plugins[j]),
				ms(r.wall), times[0], ms(r.cpu), float64(r.memory)/1e6, times[1], r.files, float64(r.bytes)/1e6, times[2])
		}
	}
	fmt.Fprintf(&text, "\n× is how many times protoc-gen-parigot takes of what the quicker of the others does: at most %g of the time and the\n"+
		"memory, and %g of the output. In bold where it is more.\n", bounds[0], bounds[2])
	return text.String(), nil
}

// bounds are how many times the time, the memory and the output of the quicker of the others the
// first plugin may take.
var bounds = [3]float64{1.1, 1.1, 1.3}

// check returns these ratios, in bold where they are over a bound, which it notes.
func (b *bench) check(input string, results []result) (times [3]string) {
	quicker := results[1]
	for _, r := range results[2:] {
		if r.wall < quicker.wall {
			quicker = r
		}
	}
	for i, of := range []func(result) int64{
		func(r result) int64 { return int64(r.wall) },
		func(r result) int64 { return r.memory },
		func(r result) int64 { return int64(r.bytes) },
	} {
		ratio := float64(of(results[0])) / float64(of(quicker))
		if times[i] = fmt.Sprintf("%.2f", ratio); ratio > bounds[i] {
			b.over = errors.Join(b.over, fmt.Errorf("%s: %.2f times the %s of the quicker of the others, more than %g",
				input, ratio, []string{"time", "memory", "output"}[i], bounds[i]))
			times[i] = "**" + times[i] + "**"
		}
	}
	return times
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
