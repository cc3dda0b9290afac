// A plugin as a Go shared object.
package main

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// ParigotInitialize is what a host looks up.
var ParigotInitialize pluginsdk.ParigotInit = pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
	return e.Register(ctx, eng.HostModule{Name: "loaded.v1.Loaded", Functions: []eng.Function{
		{Name: "Call", Call: func(context.Context, api.Module, []uint64) {}},
	}}) == nil
})

// WrongType is no ParigotInit variable.
var WrongType = 7

// Empty is a variable of the right type without a plugin.
var Empty pluginsdk.ParigotInit

func main() {}
