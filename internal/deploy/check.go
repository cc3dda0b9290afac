package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/process"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Check looks for all that Run would find wrong, without initialising a plugin or
// running a guest: files, hashes and directories that are not there or not right,
// configurations, what guests import, grants, and whether guests and those who serve
// them mean the same messages. Two things run nevertheless: a plugin with the placement
// so is loaded, which runs the initialisation of its packages, and one with the placement
// process is run for as long as it takes to describe itself, and to check its configuration.
//
// What is wrong is an [Error]. Of a plugin that does not describe itself nothing is known:
// what guests import and nobody else has is taken to be its. Guests that serve each other
// in a circle are no finding, see [File.Circles].
//
// It compiles guests, which takes seconds for each that is not in the cache: the log says
// which, see [WithLogger]. The other options change nothing. ctx ends it: its error is
// returned then.
func (f *File) Check(ctx context.Context, opts ...Option) error {
	return f.check(ctx, newOptions(opts).log)
}

func (f *File) check(ctx context.Context, logger *slog.Logger) (err error) {
	// What is wrong with the cache is mended here, and known here alone.
	host, err := eng.New(ctx, append(f.engineOptions(slog.New(slog.DiscardHandler)), eng.WithLogger(logger))...)
	if err != nil {
		return fmt.Errorf("check %s: %w", f.Path, err)
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	c := &check{
		File: f, doc: f.doc.again(), host: host, log: logger,
		provided: make(map[string]string), methods: make(map[string]bool), stubs: make(map[string]bool),
		guests: make([]*eng.Guest, len(f.Deployment.GetGuests())),
	}
	for i, p := range f.Deployment.GetPlugins() {
		c.plugin(ctx, p, fmt.Sprintf("plugins[%d]", i))
	}
	for i, g := range f.Deployment.GetGuests() {
		c.guest(ctx, i, g)
		if ctx.Err() != nil {
			return fmt.Errorf("check %s: %w", f.Path, context.Cause(ctx))
		}
	}
	c.served()
	for i, g := range f.Deployment.GetGuests() {
		field := fmt.Sprintf("guests[%d]", i)
		granted := eng.Grants{Calls: c.grants(g, field+".grants"), Serves: c.serves(i, g, field+".serves")}
		c.refused(i, g, granted)
		c.contracts(i, g, granted)
	}
	return asError(c.doc.findings)
}

// check is one run of Check.
type check struct {
	*File
	doc      *document
	host     *eng.Host
	log      *slog.Logger
	provided map[string]string // the plugin or guest that has a service
	methods  map[string]bool   // full names of methods that are known
	guests   []*eng.Guest      // nil for those that do not compile
	stubs    map[string]bool   // imports that nobody has, and the host has nevertheless
	unknown  bool              // there are plugins of which nothing is known
}

// merge adds what an [Error] has, or another error at a field.
func (c *check) merge(err error, field string) {
	if found, ok := errors.AsType[*Error](err); ok {
		c.doc.findings = append(c.doc.findings, found.Findings...)
	} else if err != nil {
		c.doc.addAt(field, "%v", err)
	}
}

// plugin checks a plugin, and registers its functions with nothing behind them.
func (c *check) plugin(ctx context.Context, p *deploymentpb.Plugin, field string) {
	at := field + ".name"
	if p.GetPath() != "" {
		at = field + ".path"
		if info, err := os.Stat(c.Resolve(p.GetPath())); err != nil || info.IsDir() {
			c.unknown = true
			c.doc.addAt(at, "%s", noFile(err, c.Resolve(p.GetPath())))
			return
		}
	}
	plugin, d, err := described(ctx, p, c.Resolve)
	c.unknown = c.unknown || d == nil || err != nil
	switch {
	case err != nil:
		if slow, remedied := tooSlow(ctx, p, err); slow != "" {
			at, err = field+slow, remedied
		}
		c.doc.addAt(at, "%v", err)
		return
	case d == nil && p.GetConfig() != nil:
		c.doc.addAt(field+".config", "the plugin %s does not describe itself (it has no method Describe), so it can have no configuration", p.GetName())
		return
	case d == nil:
		return
	}
	config, err := c.config(p, *d)
	c.merge(err, field+".config")
	if err == nil {
		c.checkConfig(ctx, p, plugin, d, config, field)
	}
	for _, s := range d.Services {
		if other, ok := c.provided[s.Name]; ok {
			c.doc.addAt(field+".name", "the plugin %s provides %s, and so does the plugin %s: leave one of them out", p.GetName(), s.Name, other)
			continue
		}
		c.provided[s.Name] = p.GetName()
		c.merge(c.host.Register(ctx, c.idle(s)), field+".name")
	}
}

// checkConfig has a plugin say what is wrong with its configuration, if it can.
func (c *check) checkConfig(ctx context.Context, p *deploymentpb.Plugin, plugin pluginsdk.ParigotInit, d *pluginsdk.Description, config proto.Message, field string) {
	at := field + ".config"
	var err error
	switch {
	case p.GetPlacement() != placementProcess:
		err = pluginsdk.CheckConfig(ctx, plugin, config)
	case d.ChecksConfig:
		err = process.CheckConfig(ctx, c.Resolve(p.GetPath()), config, processOptions(p, nil)...)
		if slow, remedied := tooSlow(ctx, p, err); slow != "" {
			at, err = field+slow, remedied
		}
	}
	if err != nil {
		c.doc.addAt(at, "%s", strings.TrimPrefix(err.Error(), status.Of(status.CodeOf(err)).Error()+": "))
	}
}

// noFile says why there is no file at a path.
func noFile(err error, path string) string {
	switch {
	case err == nil:
		return path + " is a directory"
	case errors.Is(err, os.ErrNotExist):
		return "there is no file " + path
	}
	return err.Error()
}

// idle returns the functions of a service with nothing behind them.
func (c *check) idle(s pluginsdk.Service) eng.HostModule {
	m := eng.HostModule{Name: s.ImportModule()}
	for i := range s.Methods {
		method := s.Bound(i)
		c.methods[method.FullName] = true
		m.Functions = append(m.Functions, eng.Function{
			Name: s.Methods[i].Import(), Method: method.FullName, Call: noCall, Descriptor: method.Descriptor,
		})
	}
	return m
}

// noCall is never called, as no guest runs.
func noCall(context.Context, api.Module, []uint64) {}

// guest checks a guest by itself, and what it imports.
func (c *check) guest(ctx context.Context, i int, g *deploymentpb.Guest) {
	field := fmt.Sprintf("guests[%d]", i)
	c.mounts(g, field)
	text, at, wrong := c.module(g)
	if wrong != "" {
		c.doc.addAt(field+"."+at, "%s", wrong)
		return
	}
	guest, err := c.compile(ctx, g, text)
	if err != nil {
		c.doc.addAt(field+".wasm", "%v", err)
		return
	}
	c.guests[i] = guest
	if m, err := wasm.Parse(text); err == nil && !slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return e.Name == "_start" }) {
		c.doc.addAt(field+".wasm", "%s is a library: it has no main function that could run", c.Resolve(g.GetWasm()))
	}
	c.imports(ctx, guest, field)
}

// compile compiles a guest, and says so, as it may take a while.
func (c *check) compile(ctx context.Context, g *deploymentpb.Guest, text []byte) (*eng.Guest, error) {
	logger := c.log.With("guest", g.GetName())
	logger.InfoContext(ctx, "compiling (seconds the first time, at once from the cache)",
		"file", filepath.Base(g.GetWasm()), "size", humanize.Bytes(uint64(len(text))))
	start := time.Now()
	guest, err := c.host.Compile(ctx, g.GetName(), text, guestOptions(g)...)
	if err == nil {
		logger.InfoContext(ctx, "compiled", "took", time.Since(start).Round(time.Millisecond))
	}
	return guest, err
}

// module reads the file of a guest, as it is now. When it is not what the deployment file
// says, field names the field of the guest that is wrong, and why says what is.
func (f *File) module(g *deploymentpb.Guest) (text []byte, field, why string) {
	path := f.Resolve(g.GetWasm())
	text, err := readModule(path)
	if err != nil {
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			err = nil
		}
		return nil, "wasm", noFile(err, path)
	}
	sum := sha256.Sum256(text)
	if have := hex.EncodeToString(sum[:]); g.GetSha256() != "" && !strings.EqualFold(have, g.GetSha256()) {
		return nil, "sha256", fmt.Sprintf("%s is another file, with the SHA-256 %s", path, have)
	}
	return text, "", ""
}

// readModule reads a file that is no larger than a module may be.
func readModule(path string) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	var text []byte
	if info.Size() <= eng.MaxModule {
		text, err = io.ReadAll(io.LimitReader(file, eng.MaxModule+1)) // a pipe has no size
	}
	if err == nil && max(info.Size(), int64(len(text))) > eng.MaxModule {
		err = status.Errorf(status.ResourceExhausted, "%s has more than %d bytes, which is MaxModule", path, eng.MaxModule)
	}
	return text, err
}

// guestOptions returns the options with which a guest is compiled. Its code in the cache
// depends on them.
func guestOptions(g *deploymentpb.Guest) []eng.GuestOption {
	opts := []eng.GuestOption{eng.GuestMemoryLimit(g.GetMemoryLimit())}
	if g.GetTrusted() {
		opts = append(opts, eng.Trusted())
	}
	return opts
}

func (c *check) mounts(g *deploymentpb.Guest, field string) {
	for i, m := range g.GetMounts() {
		dir := c.Resolve(m.GetHost())
		at := fmt.Sprintf("%s.mounts[%d].host", field, i)
		switch info, err := os.Stat(dir); {
		case errors.Is(err, os.ErrNotExist):
			c.doc.addAt(at, "there is no directory %s", dir)
		case err != nil:
			c.doc.addAt(at, "%v", err)
		case !info.IsDir():
			c.doc.addAt(at, "%s is no directory", dir)
		}
	}
}
