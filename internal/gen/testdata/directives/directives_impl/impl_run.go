//go:build !wasip1

package directives_impl

import (
	"context"

	"github.com/iansmith/parigot/internal/gen/testdata/directives/directives/directivesparigot"
	"github.com/iansmith/parigot/internal/gen/testdata/directives/words"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// RunPlugin implements the service directives.Run.
//
// line b.go:2
type RunPlugin struct {
	directivesparigot.UnimplementedRunServer
}

var _ directivesparigot.RunServer = (*RunPlugin)(nil)

// ParigotInitialize is the plugin that a host initialises.
var ParigotInitialize pluginsdk.ParigotInit = &RunPlugin{}

// Init registers a RunPlugin of its own with e, so that its state belongs to
// that engine alone.
func (*RunPlugin) Init(ctx context.Context, e eng.Engine) bool {
	return directivesparigot.RegisterRun(ctx, e, &RunPlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*RunPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{directivesparigot.Run_ServiceDesc}}
}

// Call serves directives.Run.Call.
//
// go:noinline
// go:linkname runtime.x
// go:wasmimport env x
func (p *RunPlugin) Call(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, directivesparigot.Run_Call_FullName+" is not implemented")
}

// Block serves directives.Run.Block.
//
// go: build x
// go:embed secret
func (p *RunPlugin) Block(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, directivesparigot.Run_Block_FullName+" is not implemented")
}
