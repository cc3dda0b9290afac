//go:build !wasip1

package empty_service_impl

import (
	"context"

	"github.com/iansmith/parigot/internal/gen/testdata/empty_service/empty/emptyparigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// IdlePlugin implements the service empty_service.Idle.
type IdlePlugin struct {
	emptyparigot.UnimplementedIdleServer
}

var _ emptyparigot.IdleServer = (*IdlePlugin)(nil)

// ParigotInitialize is the plugin that a host initialises.
var ParigotInitialize pluginsdk.ParigotInit = &IdlePlugin{}

// Init registers a IdlePlugin of its own with e, so that its state belongs to
// that engine alone.
func (*IdlePlugin) Init(ctx context.Context, e eng.Engine) bool {
	return emptyparigot.RegisterIdle(ctx, e, &IdlePlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*IdlePlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{emptyparigot.Idle_ServiceDesc}}
}
