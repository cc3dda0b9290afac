package pluginsdk

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"plugin"
	"runtime"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// LoadAndReturnInit loads the Go plugin at pluginPath, a file built with
// -buildmode=plugin, and returns the [ParigotInit] that its variable
// pluginSymbol holds, conventionally "ParigotInitialize". The last parameter is
// ignored.
//
// The file must be built with the same version of Go and of every shared package
// as the host. Files that are no Go plugins or were built with another version
// of Go are refused before they are opened, as opening them can end the process.
// A host needs cgo to load plugins.
//
// The error names the path and has a code: FAILED_PRECONDITION when the file cannot
// be used, NOT_FOUND when it has no such variable, and the code of ctx when that
// has ended. Loading one path again returns the same plugin; nothing unloads it.
// Safe for concurrent use.
func LoadAndReturnInit(ctx context.Context, pluginPath, pluginSymbol, _ string) (ParigotInit, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load plugin %s: %w", pluginPath, err)
	}
	if err := checkPluginFile(pluginPath); err != nil {
		return nil, fmt.Errorf("load plugin %s: %w", pluginPath, err)
	}
	p, err := plugin.Open(pluginPath)
	if err != nil {
		return nil, fmt.Errorf("load plugin %s: %w", pluginPath,
			status.Wrap(status.FailedPrecondition, err, "the file does not fit this host; build both with the same Go, the same module versions and the same flags, and the host with cgo"))
	}
	symbol, err := p.Lookup(pluginSymbol)
	if err != nil {
		return nil, fmt.Errorf("load plugin %s: %w", pluginPath,
			status.Wrap(status.NotFound, err, "it has no exported variable "+pluginSymbol))
	}
	init, ok := symbol.(*ParigotInit)
	if !ok || *init == nil {
		return nil, fmt.Errorf("load plugin %s: %w", pluginPath,
			status.Errorf(status.FailedPrecondition, "%s is a %T, want a variable declared as: var %s pluginsdk.ParigotInit = …", pluginSymbol, symbol, pluginSymbol))
	}
	return *init, nil
}

func checkPluginFile(path string) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return status.Wrap(status.FailedPrecondition, err, "the file is no Go plugin")
	}
	mode := "exe"
	for _, s := range info.Settings {
		if s.Key == "-buildmode" {
			mode = s.Value
		}
	}
	if mode != "plugin" {
		return status.Errorf(status.FailedPrecondition, "the file is built with -buildmode=%s, want -buildmode=plugin", mode)
	}
	if info.GoVersion != runtime.Version() {
		return status.Errorf(status.FailedPrecondition, "the file is built with %s, the host with %s: build it with GOTOOLCHAIN=%s",
			info.GoVersion, runtime.Version(), runtime.Version())
	}
	return nil
}
