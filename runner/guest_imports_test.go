package runner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/contract"
)

// holder is a guest with a type that becomes an interface. Its client is not in there.
const holder = `package main

import (
	"context"
	"fmt"
	"os"
	"reflect"

	"github.com/iansmith/parigot/internal/gen/testdata/import_names/names"
	"github.com/iansmith/parigot/internal/gen/testdata/import_names/names/namesparigot"
)

var client = namesparigot.NewNamesClient()

type app struct{ name string }

func (a *app) String() string {
	got, err := client.X(context.Background(), new(names.Word))
	return fmt.Sprint(got, err, reflect.ValueOf(a).MethodByName(a.name).IsValid())
}

func main() { fmt.Println(&app{os.Args[0]}) }
`

// caller is a guest that makes one call of a method, which stands for %s. It keeps its client in a field and hands it on, and it lets reflection see
// methods, which makes the linker keep all exported methods that reflection could
// reach.
const caller = `package main

import (
	"context"
	"fmt"
	"os"
	"reflect"

	"github.com/iansmith/parigot/internal/gen/testdata/import_names/names"
	"github.com/iansmith/parigot/internal/gen/testdata/import_names/names/namesparigot"
	"github.com/iansmith/parigot/pluginsdk/future"
)

type app struct{ client namesparigot.NamesClient }

func (a *app) run(ctx context.Context) { call(ctx, a.client) }

func call(ctx context.Context, client namesparigot.NamesClient) {
	fmt.Println(%s)
}

func main() {
	if len(os.Args) > 1 {
		fmt.Println(reflect.ValueOf(os.Stdout).MethodByName(os.Args[1]).IsValid())
	}
	a := &app{client: namesparigot.NewNamesClient()}
	a.run(context.Background())
}

var (
	_ = names.Word{}
	_ = future.Await[int]
)
`

// TestGuestsImportWhatTheyCall: a guest imports the method that it calls and no other,
// whatever the methods are called: only so can a grant name what a guest needs.
func TestGuestsImportWhatTheyCall(t *testing.T) {
	t.Parallel()
	calls := []string{
		"client.%s(ctx, new(names.Word))",
		"future.Go(ctx, client.%s, new(names.Word))",
	}
	for i, name := range []string{
		"Get", "String", "Error", "Close", "Next", "Len", "Reset", "ProtoReflect", "Unwrap", "Interface", "ProtoType", "X",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, []string{name}, calledBy(t, fmt.Sprintf(caller, fmt.Sprintf(calls[i%len(calls)], name))))
		})
	}
	t.Run("a client beside a value that becomes an interface", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []string{"X"}, calledBy(t, holder))
	})
}

// calledBy builds a guest and returns what it calls of the service Names, by its
// contract.
func calledBy(t *testing.T, program string) []string {
	t.Helper()
	dir := t.TempDir()
	source, overlay, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "guest.wasm")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	// It stands inside this module, so that it may import what is internal.
	place, err := filepath.Abs("testdata/importing/main.go")
	require.NoError(t, err)
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{place: source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, text, 0o600))
	code, stdout, stderr := parigot(t, "guest", "build", "-overlay", overlay, "-o", out, "./testdata/importing")
	require.Equal(t, exitOK, code, stdout+stderr)
	module, err := os.ReadFile(out)
	require.NoError(t, err)
	c, err := contract.Read(module)
	require.NoError(t, err)
	var called []string
	for _, s := range c.Proto().GetServices() {
		if s.GetName() != "import_names.Names" || !s.GetCalls() {
			continue
		}
		for _, m := range s.GetMethods() {
			called = append(called, m.GetName())
		}
	}
	return called
}
