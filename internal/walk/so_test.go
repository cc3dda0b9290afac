package walk

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/preflight"
)

// loads builds the Go plugin of the project in w.dir with the program parigot, which loads it, and so
// does the host of the project.
func (w *walker) loads() {
	if err := preflight.Supported(); err != nil {
		w.run("parigot plugin build -o build/plugin.so ./hello/plugin 2>&1 || true")
		require.Contains(w.t, w.output, err.Error())
		return
	}
	w.run("parigot plugin build -o build/plugin.so ./hello/plugin")
	w.edit("parigot.yaml", "- name: hello\n", "- name: hello\n    placement: so\n    path: build/plugin.so\n")
	w.run("parigot run --raw --log-level warn\nbuild/host run --raw --log-level warn")
	require.Equal(w.t, 2, strings.Count(w.output, "Hello, guest\nBonjour, guest\n"), w.output)
}
