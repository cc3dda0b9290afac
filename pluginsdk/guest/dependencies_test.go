package guest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGuestsLinkNothingOfTheHost looks at all that a guest links: this package,
// and the whole programs of two examples.
func TestGuestsLinkNothingOfTheHost(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "../../examples/file/guest", "../../examples/syscall/guest/hello")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	out, err := cmd.Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot")
	require.Contains(t, deps, "github.com/iansmith/parigot/pluginsdk/guest/kernel")
	for _, dep := range deps {
		for _, not := range []string{"github.com/tetratelabs/wazero", "buf.build/go/", "github.com/spf13/", "go.yaml.in/", "cel.dev/"} {
			require.False(t, strings.HasPrefix(dep, not), dep)
		}
		require.NotEqual(t, "github.com/iansmith/parigot/pluginsdk", dep)
		require.NotEqual(t, "github.com/iansmith/parigot/pluginsdk/eng", dep)
	}
}
