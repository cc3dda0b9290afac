package house

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReach: who links the SDK gets nothing that he did not ask for. A plugin, a host and a
// guest, and the code that is generated for them, need these modules and no others: not
// what the command line needs, nor a network, nor telemetry.
func TestReach(t *testing.T) {
	t.Parallel()
	guests := []string{"google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc"}
	hosts := append([]string{"github.com/tetratelabs/wazero", "golang.org/x/sync", "golang.org/x/sys", "golang.org/x/time"}, guests...)
	generated := []string{"./pluginsdk/syscallpb/...", "./examples/file/gen/...", "./examples/queue/gen/...", "./examples/syscall/gen/..."}
	shared := append([]string{"./pluginsdk/guest/...", "./pluginsdk/future", "./pluginsdk/status", "./pluginsdk/id"}, generated...)
	for name, tt := range map[string]struct {
		env      []string
		packages []string
		modules  []string
	}{
		"host":   {nil, append([]string{"./pluginsdk", "./pluginsdk/eng", "./pluginsdk/process", "./internal/contract"}, shared...), hosts},
		"test":   {nil, []string{"./pluginsdk/plugintest"}, hosts},
		"guest":  {[]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, shared, guests},
		"guests": {[]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, []string{"./examples/file/guest", "./examples/syscall/guest/hello"}, guests},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, line := range dependencies(t, tt.env, tt.packages) {
				dependency, of, _ := strings.Cut(line, " ")
				require.NotContains(t, []string{"net/http", "net/rpc", "crypto/tls"}, dependency)
				require.True(t, dependency != "testing" || name == "test")
				require.True(t, of == "" || of == module || slices.Contains(tt.modules, of), "%s is reached, of %s", dependency, of)
				if tt.env != nil {
					require.NotContains(t, []string{module + "/pluginsdk", module + "/pluginsdk/eng"}, dependency)
				}
			}
		})
	}
}

// dependencies returns what packages link, each with its module, if it has one.
func dependencies(t *testing.T, env, packages []string) []string {
	t.Helper()
	args := []string{"list", "-deps", "-f", "{{.ImportPath}} {{with .Module}}{{.Path}}{{end}}"}
	cmd := exec.CommandContext(t.Context(), "go", append(args, packages...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(lines), 50)
	return lines
}

// TestNoHelperInProduction: what is there for tests is imported by nothing else.
func TestNoHelperInProduction(t *testing.T) {
	t.Parallel()
	helpers := []string{"testing", "github.com/stretchr/testify", "github.com/tetratelabs/wazero/experimental/wazerotest", "pgregory.net/rapid", "github.com/anishathalye/porcupine"}
	rows, code := readMap(t), readCode(t)
	for _, r := range rows {
		if r.section == "Tests" {
			for _, folder := range r.folders {
				helpers = append(helpers, module+"/"+folder)
			}
		}
	}
	for _, r := range rows {
		if r.section == "Tests" || r.anything {
			continue
		}
		for _, folder := range r.folders {
			for _, imported := range code[folder] {
				for _, helper := range helpers {
					require.False(t, imported == helper || strings.HasPrefix(imported, helper+"/"), "%s imports %s, which is for tests", folder, imported)
				}
			}
		}
	}
}
