package hostile

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// pluginModule has one method, Call, which takes a while, and answers with 8 MiB.
const pluginModule = "hostile.v1.Plugin"

func registerPlugin(t *testing.T, host *eng.Host) {
	t.Helper()
	call := func(ctx context.Context, _ []byte, room func(uint32) ([]byte, error)) (int32, []byte, error) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
		body, err := room(8 << 20)
		return 0, body, err
	}
	server := core.Carry(&core.Method{FullName: pluginModule + ".Call", MayBlock: true}, call)
	require.NoError(t, host.Register(t.Context(), eng.HostModule{Name: pluginModule, Functions: []eng.Function{
		{Name: "Call", Call: server.Stack, MayBlock: true},
	}}))
}
