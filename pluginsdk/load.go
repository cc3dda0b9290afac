package pluginsdk

import (
	"context"
	"fmt"
	"path/filepath"
	"plugin"
	"sync"

	"github.com/iansmith/parigot/internal/preflight"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// LoadAndReturnInit loads the Go plugin at pluginPath, a file built with
// -buildmode=plugin, and returns the [ParigotInit] that its variable
// pluginSymbol holds, conventionally "ParigotInitialize". The last parameter is
// ignored.
//
// The file must be built with the same version of Go, the same versions of all
// modules that it shares with the host, and the same flags. One that is not, or is no
// Go plugin, is refused before it is opened, as opening it can end the process; the
// error lists what differs and has the command that builds it right. Whoever can
// change the file while it is loaded can do all that the host can. A host needs cgo
// to load plugins.
//
// The error names the path and has a code: FAILED_PRECONDITION when the file cannot
// be used, NOT_FOUND when it has no such variable, INTERNAL when its initialisation
// panicked, and the code of ctx when that has ended. Loading one path again returns
// the same plugin, or the same error once it was opened; nothing unloads it. Safe for
// concurrent use.
func LoadAndReturnInit(ctx context.Context, pluginPath, pluginSymbol, _ string) (ParigotInit, error) {
	p, err := load(ctx, pluginPath)
	if err != nil {
		return nil, fmt.Errorf("load plugin %s: %w", pluginPath, err)
	}
	init, err := lookUp(p, pluginSymbol)
	if err != nil {
		return nil, fmt.Errorf("load plugin %s: %w", pluginPath, err)
	}
	return init, nil
}

// opened are the plugins that were opened, by path without symbolic links. Go's
// runtime keeps them for ever too, and blocks when one is opened again whose
// initialisation panicked.
var opened struct {
	sync.Mutex
	plugins map[string]*opening
}

// opening is a plugin that is being opened or was. The others are set when done is
// closed.
type opening struct {
	done   chan struct{}
	plugin *plugin.Plugin
	err    error
}

func load(ctx context.Context, path string) (*plugin.Plugin, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := preflight.Supported(); err != nil {
		return nil, err
	}
	file, err := realPath(path)
	if err != nil {
		return nil, status.Wrap(status.FailedPrecondition, err, "the plugin cannot be read")
	}
	opened.Lock()
	o := opened.plugins[file]
	opened.Unlock()
	if o == nil {
		if err := preflight.Check(file); err != nil {
			return nil, err
		}
		o = open(file)
	}
	select {
	case <-o.done:
		return o.plugin, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func realPath(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(absolute)
}

// open opens a plugin, once.
func open(path string) *opening {
	opened.Lock()
	defer opened.Unlock()
	if o := opened.plugins[path]; o != nil {
		return o
	}
	o := &opening{done: make(chan struct{})}
	if opened.plugins == nil {
		opened.plugins = make(map[string]*opening)
	}
	opened.plugins[path] = o
	go o.run(path)
	return o
}

func (o *opening) run(path string) {
	defer close(o.done)
	defer func() {
		if p := recover(); p != nil {
			o.err = status.Errorf(status.Internal, "its initialisation panicked: %v: mend it, and start the host anew, as this path cannot be loaded again", p)
		}
	}()
	p, err := plugin.Open(path)
	if err != nil {
		o.err = status.Wrap(status.FailedPrecondition, err, "the file does not fit this host; build both with the same Go, the same module versions and the same flags")
		return
	}
	o.plugin = p
}

// lookUp returns what the plugin's variable holds.
func lookUp(p *plugin.Plugin, name string) (ParigotInit, error) {
	symbol, err := p.Lookup(name)
	if err != nil {
		return nil, status.Wrap(status.NotFound, err, "it has no exported variable "+name)
	}
	init, ok := symbol.(*ParigotInit)
	if !ok {
		return nil, status.Errorf(status.FailedPrecondition, "%s is a %T, want a variable declared as: var %s pluginsdk.ParigotInit = …", name, symbol, name)
	}
	if *init == nil {
		return nil, status.Errorf(status.FailedPrecondition, "the variable %s is nil: give it the plugin where it is declared", name)
	}
	return *init, nil
}
