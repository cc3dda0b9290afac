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
	"strings"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// maxSize bounds what is read of a file: Go plugins have some ten megabytes.
const maxSize = 1 << 30

// Supported returns nil when this program can load Go plugins at all. Otherwise the
// error, FAILED_PRECONDITION, says what it lacks.
func Supported() error {
	if unsupported != "" {
		return status.Error(status.FailedPrecondition, unsupported)
	}
	return nil
}

// RefusalError is why a Go plugin does not fit this program.
type RefusalError struct {
	// Differences are lines for a person, at least one.
	Differences []string
	// Command is for a shell in the plugin's module, and builds a plugin that fits
	// when what the differences name is mended.
	Command string
}

func (r *RefusalError) Error() string {
	return "the plugin was not built as this host was:\n  " + strings.Join(r.Differences, "\n  ") +
		"\nIn the plugin's module, this builds one that fits:\n  " + r.Command
}

// Check returns nil when the file at path looks like a Go plugin that was built as
// this program was. Otherwise the error has the code FAILED_PRECONDITION, lists all
// that differs and what to do about it, and ends with the command that builds the
// plugin right: it has a [*RefusalError] in its chain unless the file is no Go plugin at all.
// The file may hold anything. Safe for concurrent use.
func Check(path string) error {
	if err := Supported(); err != nil {
		return err
	}
	host, err := hostInfo()
	if err != nil {
		return err
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
	if packages, known := differentPackages(f); known {
		found.differ(packages)
	}
	if r := found.refusal(host, info); r != nil {
		return status.Wrap(status.FailedPrecondition, r, "it does not fit")
	}
	return nil
}

func hostInfo() (*debug.BuildInfo, error) {
	host, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, status.Error(status.FailedPrecondition, "the host does not know how it was built: build it with the go command, in module mode")
	}
	return host, nil
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

// Plan returns how to build a plugin for this program, and what flags cannot mend,
// which is best known before the build: versions of modules, a line each. plugin is what
// would be built otherwise: its modules, of which those of a vendor directory have no sums,
// and its settings.
func Plan(plugin *debug.BuildInfo) (how Recipe, beyond []string, err error) {
	if err := Supported(); err != nil {
		return how, nil, err
	}
	host, err := hostInfo()
	if err != nil {
		return how, nil, err
	}
	return recipe(host, plugin), beyondFlags(host, plugin), nil
}

// withoutSums returns the same modules without their sums. A main one that has a version is
// one of them.
func withoutSums(info *debug.BuildInfo) *debug.BuildInfo {
	without := *info
	without.Deps = nil
	for _, m := range linked(info) {
		without.Deps = append(without.Deps, withoutSum(m))
	}
	if info.Main.Sum != "" {
		without.Main = debug.Module{}
	}
	return &without
}

func withoutSum(m *debug.Module) *debug.Module {
	without := *m
	without.Sum = ""
	if m.Replace != nil {
		without.Replace = withoutSum(m.Replace)
	}
	return &without
}
