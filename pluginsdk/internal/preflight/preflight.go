// Package preflight tells whether this program can open a Go plugin, without
// opening it. plugin.Open names the first package that differs, which is hardly ever
// the reason, and some files end the process: C libraries, truncated files.
package preflight

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// maxSize bounds what is read of a file: Go plugins have some ten megabytes.
const maxSize = 1 << 30

// Check returns nil when the file at path looks like a Go plugin that was built as
// this program was. Otherwise the error has the code FAILED_PRECONDITION, lists all
// that differs and what to do about it, and ends with the command that builds the
// plugin right. The file may hold anything. Safe for concurrent use.
func Check(path string) error {
	host, ok := debug.ReadBuildInfo()
	if !ok {
		return status.Error(status.FailedPrecondition, "the host does not know how it was built: build it with the go command, in module mode")
	}
	f, err := os.Open(path)
	if err != nil {
		return status.Wrap(status.FailedPrecondition, err, "the plugin cannot be read")
	}
	defer func() { _ = f.Close() }() // nothing was written
	size, err := sizeOf(f)
	if err != nil {
		return err
	}
	info, err := buildInfo(f)
	if err != nil {
		return status.Wrap(status.FailedPrecondition, err, "the file is no Go plugin")
	}
	if mode := modeOf(info); mode != "plugin" {
		return status.Errorf(status.FailedPrecondition, "the file is built with -buildmode=%s, want -buildmode=plugin", mode)
	}
	if err := checkObject(f, size); err != nil {
		return err
	}
	found := compare(host, info)
	if packages, known := differentPackages(f); known && len(packages) == 0 {
		found.soft = nil // they made no difference
	} else if known {
		found.hard = append(found.hard, describePackages(packages))
	}
	return found.refusal(host, info)
}

func sizeOf(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, status.Wrap(status.FailedPrecondition, err, "the plugin cannot be read")
	}
	if !info.Mode().IsRegular() {
		return 0, status.Errorf(status.FailedPrecondition, "the file is no Go plugin: it is no regular file (%s)", info.Mode().Type())
	}
	if info.Size() > maxSize {
		return 0, status.Errorf(status.FailedPrecondition, "the file has %d bytes, more than the %d that a plugin may have", info.Size(), maxSize)
	}
	return info.Size(), nil
}

// buildInfo reads how the file was built. What is wrong with a file must never be
// more than an error.
func buildInfo(f io.ReaderAt) (info *debug.BuildInfo, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its build info is damaged: %v", p)
		}
	}()
	return buildinfo.Read(f)
}

func modeOf(info *debug.BuildInfo) string {
	if mode := setting(info, "-buildmode"); mode != "" {
		return mode
	}
	return "exe"
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
