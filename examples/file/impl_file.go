//go:build !wasip1

package file

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// FilePlugin implements file.v1.File: it gives the guests of one engine the
// files below one directory of the host.
//
// The zero value is for [FilePlugin.Init] only, which makes a FilePlugin of its
// own for each engine; the RPCs of the zero value fail with UNAVAILABLE. All
// methods are safe for concurrent use.
type FilePlugin struct {
	filev1parigot.UnimplementedFileServer

	sandbox *sandbox // nil in the zero value
}

var (
	_ filev1parigot.FileServer = (*FilePlugin)(nil)
	_ pluginsdk.ConfigChecker  = (*FilePlugin)(nil)
)

// ParigotInitialize is the plugin that a host initialises, with a
// [filev1.FileConfig] as its configuration.
var ParigotInitialize pluginsdk.ParigotInit = &FilePlugin{}

// Init registers a FilePlugin of its own with e, so that its state belongs to
// that engine alone. What is open is closed when its guest ends, and everything
// when e closes. Init returns false when the configuration cannot work or e
// refuses the registration; [pluginsdk.Start] returns the reason.
func (*FilePlugin) Init(ctx context.Context, e eng.Engine) bool {
	p, err := newFilePlugin(ctx, e)
	if err != nil {
		return pluginsdk.InitError(e, err)
	}
	if err := filev1parigot.RegisterFile(ctx, e, p); err != nil {
		_ = p.sandbox.close(ctx) // the failure to report is the first one
		return false             // the engine has kept why
	}
	e.OnGuestExit(p.sandbox.closeGuest)
	e.OnClose(p.sandbox.close)
	return true
}

// Describe says what Init will register and that it reads a [filev1.FileConfig].
func (*FilePlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{
		Services: []pluginsdk.Service{filev1parigot.File_ServiceDesc},
		Config:   new(filev1.FileConfig),
	}
}

// CheckConfig says what is wrong with a configuration, before anything is opened.
func (*FilePlugin) CheckConfig(ctx context.Context) error {
	_, err := readSettings(ctx)
	return err
}

func readSettings(ctx context.Context) (settings, error) {
	cfg := new(filev1.FileConfig)
	if err := pluginsdk.ReadConfig(ctx, cfg); err != nil {
		return settings{}, err
	}
	return newSettings(cfg)
}

// newFilePlugin makes the FilePlugin of one engine from the configuration in
// ctx.
func newFilePlugin(ctx context.Context, e eng.Engine) (*FilePlugin, error) {
	s, err := readSettings(ctx)
	if err != nil {
		return nil, err
	}
	box, err := newSandbox(s, e.Logger())
	if err != nil {
		return nil, err
	}
	return &FilePlugin{sandbox: box}, nil
}

// Open opens an existing file for reading, from its first byte.
func (p *FilePlugin) Open(ctx context.Context, req *filev1.OpenRequest) (*filev1.OpenResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	key, err := p.sandbox.open(eng.CallerFromContext(ctx), req.GetPath())
	if err != nil {
		return nil, err
	}
	return &filev1.OpenResponse{Path: req.GetPath(), Id: key.id.Proto()}, nil
}

// Create opens a file for reading and writing. A file that exists is
// truncated, one that does not is made, with the directories above it.
func (p *FilePlugin) Create(ctx context.Context, req *filev1.CreateRequest) (*filev1.CreateResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	key, err := p.sandbox.create(eng.CallerFromContext(ctx), req.GetPath())
	if err != nil {
		return nil, err
	}
	return &filev1.CreateResponse{Path: req.GetPath(), Id: key.id.Proto()}, nil
}

// Close closes an open file; its id names nothing afterwards.
func (p *FilePlugin) Close(ctx context.Context, req *filev1.CloseRequest) (*filev1.CloseResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	caller := eng.CallerFromContext(ctx)
	if err := p.sandbox.closeFile(caller, keyOf(caller, req.GetId())); err != nil {
		return nil, err
	}
	return new(filev1.CloseResponse), nil
}

// Read returns the bytes that follow the last ones read or written.
func (p *FilePlugin) Read(ctx context.Context, req *filev1.ReadRequest) (*filev1.ReadResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	caller := eng.CallerFromContext(ctx)
	data, err := p.sandbox.read(caller, keyOf(caller, req.GetId()), req.GetLimit())
	if err != nil {
		return nil, err
	}
	return &filev1.ReadResponse{Data: data}, nil
}

// Write appends to what was read or written last, and returns when all bytes
// are with the host's operating system.
func (p *FilePlugin) Write(ctx context.Context, req *filev1.WriteRequest) (*filev1.WriteResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	caller := eng.CallerFromContext(ctx)
	if err := p.sandbox.write(caller, keyOf(caller, req.GetId()), req.GetData()); err != nil {
		return nil, err
	}
	// write has checked it against a uint32
	return &filev1.WriteResponse{Written: uint32(len(req.GetData()))}, nil
}

// Delete removes a file, or a directory that has nothing in it.
func (p *FilePlugin) Delete(ctx context.Context, req *filev1.DeleteRequest) (*filev1.DeleteResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	if err := p.sandbox.remove(eng.CallerFromContext(ctx), req.GetPath()); err != nil {
		return nil, err
	}
	return new(filev1.DeleteResponse), nil
}

// Stat tells what is at a path.
func (p *FilePlugin) Stat(ctx context.Context, req *filev1.StatRequest) (*filev1.StatResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	info, err := p.sandbox.stat(eng.CallerFromContext(ctx), req.GetPath())
	if err != nil {
		return nil, err
	}
	found := &filev1.FileInfo{
		Path:    req.GetPath(),
		IsDir:   info.IsDir(),
		ModTime: timestamppb.New(info.ModTime()),
	}
	if !info.IsDir() {
		found.Size = info.Size()
	}
	return &filev1.StatResponse{Info: found}, nil
}

// LoadTestData copies a directory of the host, with all below it, to a
// directory of the guest. The host's configuration lists the directories
// that may be copied; there are none unless it does.
func (p *FilePlugin) LoadTestData(ctx context.Context, req *filev1.LoadTestDataRequest) (*filev1.LoadTestDataResponse, error) {
	if p.sandbox == nil {
		return nil, errNotInitialised()
	}
	done, err := p.sandbox.loadTestData(ctx, eng.CallerFromContext(ctx), req)
	if err != nil {
		return nil, err
	}
	return &filev1.LoadTestDataResponse{Copied: done.copied, ErrorPath: done.failed}, nil
}

func keyOf(caller eng.Caller, fileID *parigotpb.Id) fileKey {
	return fileKey{owner: caller.ID, id: filev1parigot.FileIdFromProto(fileID)}
}

func errNotInitialised() error {
	return status.Error(status.Unavailable, "the file plugin is not initialised: a host does it with pluginsdk.Start")
}
