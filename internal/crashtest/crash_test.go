// Package crashtest has plugins fail in all ways, in each placement, and makes the table
// of docs/plugins.md of what happens. Every cell is a host process with two guests.
package crashtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/crashtest/testdata/crash"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/internal/preflight"
)

var update = flag.Bool("update", false, "write the table of docs/plugins.md")

const hostVariable = "PARIGOT_CRASH_CELL"

func TestMain(m *testing.M) {
	if text := os.Getenv(hostVariable); text != "" {
		runHost(text)
	}
	os.Exit(m.Run())
}

var (
	placements = []string{"static", "so", "process"}
	faults     = []string{
		"impl panics", "os.Exit", "nil dereference in a goroutine", "SIGSEGV in C",
		"endless loop", "1 GiB allocation", "slow start", "refuses to stop",
	}
)

// page holds the table, between marks.
const (
	page     = "../../docs/plugins.md"
	openMark = "<!-- crash matrix: go test ./internal/crashtest -update writes it -->\n"
	endMark  = "<!-- end of the crash matrix -->\n"
)

// TestCrashMatrix: the host and the other guests survive what the table says, and every
// call is answered that the table says is.
func TestCrashMatrix(t *testing.T) { //nolint:tparallel // the group returns when its cells have ended
	t.Parallel()
	c := cell{
		Guest: guesttest.File(t, "testdata/guest"), Cache: guesttest.CacheDir(t),
		Program: build(t, "crash"), Object: filepath.Join(t.TempDir(), "none.so"),
	}
	if preflight.Supported() == nil {
		c.Object = build(t, "crash.so", "-buildmode=plugin")
	}
	var mu sync.Mutex
	found := make(map[string]string)
	running := make(chan struct{}, 3) // hosts at a time
	var memory sync.Mutex             // for those that need much
	t.Run("cells", func(t *testing.T) {
		for _, fault := range faults {
			for _, placement := range placements {
				c := c
				c.Fault, c.Placement = fault, placement
				t.Run(fault+"/"+placement, func(t *testing.T) {
					t.Parallel()
					running <- struct{}{}
					defer func() { <-running }()
					if fault == "1 GiB allocation" {
						memory.Lock()
						defer memory.Unlock()
					}
					text := c.observe(t)
					mu.Lock()
					defer mu.Unlock()
					found[fault+"/"+placement] = text
				})
			}
		}
	})
	compareTable(t, found)
}

// build builds the plugin, which for the placement so has the flags of this program.
func build(t *testing.T, name string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	args := append([]string{"build", "-o", out}, flags...)
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if (s.Key == "-race" || s.Key == "-gcflags") && len(flags) > 0 {
			args = append(args, s.Key+"="+s.Value)
		}
	}
	text, err := exec.CommandContext(t.Context(), "go", append(args, "./testdata/plugin")...).CombinedOutput()
	require.NoError(t, err, string(text))
	return out
}

// notChecked is the text of a cell that a program without cgo cannot check.
const notChecked = ""

// observe runs a host and says what happened, in the words of the table.
func (c cell) observe(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(c)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), hostVariable+"="+string(text))
	cmd.WaitDelay = time.Minute // a plugin's process may hold its descriptors
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		require.NotEqual(t, 99, exit.ExitCode(), stderr.String())
		require.NotEqual(t, "process", c.Placement, stderr.String())
		return fmt.Sprintf("**the host ends**, exit code %d", exit.ExitCode())
	}
	require.NoError(t, err, stderr.String())
	var r report
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &r), stdout.String())
	t.Logf("%+v", r)
	require.Empty(t, r.Neighbour, "the neighbour is unharmed")
	if c.within() > loopWithin {
		require.Empty(t, r.Close, stderr.String())
	}
	if preflight.Supported() != nil && (c.Placement == "so" || c.Fault == "SIGSEGV in C") {
		c.requireRefused(t, r, stderr.String())
		return notChecked
	}
	return c.words(t, r)
}

// requireRefused: without cgo there are no Go plugins, and no C.
func (c cell) requireRefused(t *testing.T, r report, stderr string) {
	t.Helper()
	if c.Placement == "so" {
		require.Contains(t, stderr, "this host cannot load Go plugins")
		return
	}
	require.Equal(t, "UNIMPLEMENTED", r.Answer)
}

func (c cell) words(t *testing.T, r report) string {
	t.Helper()
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	switch {
	case r.Start != "":
		say("not started: %s", r.Start)
	case c.Fault == "slow start" && r.StartMs >= crash.SlowStart.Milliseconds():
		say("the host's start waits for it")
	}
	switch {
	case r.Start != "":
	case r.Answer == "":
		say("**no answer**: its guest stands still")
	case r.Answer == "INTERNAL" && r.After == r.Before:
		say("INTERNAL; it goes on")
	case r.Answer != "OK":
		say("%s", r.Answer)
	case c.Fault == "1 GiB allocation" && r.Heap > 1<<30:
		say("the host has 1 GiB more")
	case c.Fault == "1 GiB allocation":
		say("its process has 1 GiB more")
	}
	if c.Placement == "process" && r.Start == "" {
		require.NotEmpty(t, r.After, "it is back")
	}
	if r.After != r.Before {
		say("started again")
		require.Less(t, r.BackMs, int64(10_000), "about 100 ms, on an idle machine")
	}
	switch r.Close {
	case "hangs":
		say("**`Close` does not return**")
	case "refused":
		say("`Close` gives up")
	}
	if len(words) == 0 {
		say("nothing")
	}
	return strings.Join(words, "; ")
}

// compareTable compares the table, or writes it. Cells that could not be checked
// stay as they are.
func compareTable(t *testing.T, found map[string]string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), openMark)
	require.True(t, ok, "%s has no %q", page, openMark)
	table, after, ok := strings.Cut(rest, endMark)
	require.True(t, ok, "%s has no %q", page, endMark)
	old := cellsOf(table)
	var b strings.Builder
	b.WriteString("| what it does | `static` | `so` | `process` |\n|---|---|---|---|\n")
	for _, fault := range faults {
		fmt.Fprintf(&b, "| %s |", fault)
		for _, placement := range placements {
			text, ok := found[fault+"/"+placement]
			require.True(t, ok, "the cell %s/%s has failed", fault, placement)
			if text == notChecked {
				text = old[fault+"/"+placement]
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(before+openMark+b.String()+endMark+after), 0o600))
		return
	}
	require.Equal(t, table, b.String(), "if that is right: go test ./internal/crashtest -update")
}

// cellsOf reads the table that is there.
func cellsOf(table string) map[string]string {
	cells := make(map[string]string)
	for line := range strings.Lines(table) {
		columns := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(columns) != len(placements)+1 {
			continue
		}
		for i, placement := range placements {
			cells[strings.TrimSpace(columns[0])+"/"+placement] = strings.TrimSpace(columns[i+1])
		}
	}
	return cells
}
