package plugintest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/iansmith/parigot/examples/file"
	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// TestGuest is the test in the package's documentation.
func TestGuest(t *testing.T) {
	t.Parallel()
	plugin := plugintest.With(file.ParigotInitialize, pluginsdk.WithConfig(&filev1.FileConfig{Root: t.TempDir()}))
	host := plugintest.Host(t, plugin)
	guest := plugintest.Guest(t, host, "../../examples/file/guest")
	var out bytes.Buffer
	code, err := guest.Run(t.Context(), eng.WithStdout(&out))
	if err != nil || code != 0 || !strings.Contains(out.String(), "wrote    1048576 bytes") {
		t.Fatal(code, err, out.String())
	}
}
