// Package compiler compiles modules on all processors, in a process of its own. wazero (v1.12.0)
// compiles on goroutines that do not recover: a module that makes it panic ends that process, and
// not the host.
package compiler

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// ModuleFile is the name of the module in its directory.
const ModuleFile = "module.wasm"

// The variables that make a process a compiler: its directory, and the number of workers.
const (
	dirVariable     = "PARIGOT_COMPILER_DIR"
	workersVariable = "PARIGOT_COMPILER_WORKERS"
)

// maxOutput is how much an error has of what the process prints, in bytes.
const maxOutput = 2 << 10

var available atomic.Bool

// Main makes this program able to compile, and is the first that its main function calls. In a
// process that [Run] started it compiles and ends the process. Otherwise it returns.
func Main() {
	dir := os.Getenv(dirVariable)
	if dir == "" {
		available.Store(true)
		return
	}
	if err := compile(context.Background(), dir, os.Getenv(workersVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // it is the whole of this process
	}
	os.Exit(0) //nolint:forbidigo // as above
}

// Available tells whether [Run] works: whether the program has called [Main].
func Available() bool { return available.Load() }

// Run compiles the module in dir, in another process of this program. wazero's file is in dir
// afterwards. An error says that there may be a part of one. The process ends with ctx.
func Run(ctx context.Context, dir string, workers int) error {
	program, err := self()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), dirVariable+"="+dir, workersVariable+"="+strconv.Itoa(workers))
	var out head
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %q", err, out)
	}
	return nil
}

// head keeps the first maxOutput bytes of what is written to it.
type head []byte

// Write implements [io.Writer]. It takes everything.
func (h *head) Write(b []byte) (int, error) {
	*h = append(*h, b[:min(len(b), maxOutput-len(*h))]...)
	return len(b), nil
}

// self returns the path of this program, also if its file was replaced meanwhile.
func self() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// compile compiles the module in dir.
func compile(ctx context.Context, dir, workers string) (err error) {
	n, err := strconv.Atoi(workers)
	if err != nil {
		return err
	}
	module, err := os.ReadFile(filepath.Join(dir, ModuleFile))
	if err != nil {
		return err
	}
	files, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return err
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(files))
	defer func() { err = errors.Join(err, r.Close(ctx), files.Close(ctx)) }()
	_, err = r.CompileModule(experimental.WithCompilationWorkers(ctx, n), module)
	return err
}
