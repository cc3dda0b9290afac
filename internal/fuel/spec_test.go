package fuel_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/fuel"
)

// specDir returns where wazero keeps the tests of the specification.
var specDir = sync.OnceValues(func() (string, error) {
	out, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest"), err
})

// specCommand is what these tests consist of.
type specCommand struct {
	Type     string `json:"type"`
	Line     int    `json:"line"`
	Name     string `json:"name"`
	As       string `json:"as"`
	Filename string `json:"filename"`
	Action   struct {
		Type   string      `json:"type"`
		Module string      `json:"module"`
		Field  string      `json:"field"`
		Args   []specValue `json:"args"`
	} `json:"action"`
}

type specValue struct {
	Type  string          `json:"type"`
	Lane  string          `json:"lane_type"`
	Value json.RawMessage `json:"value"`
}

// stack returns the value as wazero passes it.
func (v specValue) stack() []uint64 {
	if v.Type != "v128" {
		var text string
		_ = json.Unmarshal(v.Value, &text)
		return []uint64{number(text)}
	}
	var lanes []string
	_ = json.Unmarshal(v.Value, &lanes)
	var b []byte
	for _, l := range lanes {
		lane := binary.LittleEndian.AppendUint64(nil, number(l))
		b = append(b, lane[:16/len(lanes)]...)
	}
	return []uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

func number(text string) uint64 {
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u
	}
	i, _ := strconv.ParseInt(text, 10, 64) // null is 0, and so is each NaN
	return uint64(i)
}

// world is where modules of a test import each other.
type world struct {
	wazero.Runtime
	change  func([]byte) ([]byte, error)
	modules map[string]api.Module
	last    api.Module
}

func newWorld(t *testing.T, dir string, change func([]byte) ([]byte, error)) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{Runtime: newRuntime(t), change: change, modules: map[string]api.Module{}}
	wasm, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	require.NoError(t, err)
	_, err = w.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName("spectest"))
	require.NoError(t, err)
	return w
}

func newRuntime(tb testing.TB) wazero.Runtime {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(1000))
	tb.Cleanup(func() { _ = r.Close(ctx) })
	refuelable(tb, r, func(context.Context) int64 { return fuel.Tank })
	return r
}

// refuelable adds the function that metered modules import.
func refuelable(tb testing.TB, r wazero.Runtime, refuel func(context.Context) int64) {
	tb.Helper()
	// As the engine has it: without reflection.
	call := api.GoFunc(func(ctx context.Context, stack []uint64) { stack[0] = uint64(refuel(ctx)) })
	_, err := r.NewHostModuleBuilder("host").NewFunctionBuilder().
		WithGoFunction(call, nil, []api.ValueType{api.ValueTypeI64}).Export("refuel").Instantiate(context.Background())
	require.NoError(tb, err)
}

// started is the export that the start function of a metered module becomes.
const started = "host.start"

var config = fuel.Config{
	Refuel: fuel.Import{Module: "host", Name: "refuel"}, Start: started, Memory: 1 << 30,
	Waits: func(fuel.Import) bool { return false },
}

func metered(wasm []byte) ([]byte, error) {
	m, err := fuel.Meter(wasm, config)
	return m.Module, err
}

// do runs a command and returns what it comes to.
func (w *world) do(c specCommand, as string, wasm []byte) (results []uint64, err error) {
	ctx := context.Background()
	if c.Filename != "" {
		if wasm, err = w.change(wasm); err != nil {
			return nil, err
		}
		if c.Type != "module" {
			m, err := w.CompileModule(ctx, wasm)
			if err == nil {
				_ = m.Close(ctx)
			}
			return nil, err
		}
		w.last, err = w.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(as).WithStartFunctions(started))
		w.modules[c.Name] = w.last
		return nil, err
	}
	m := w.last
	if c.Action.Module != "" {
		m = w.modules[c.Action.Module]
	}
	if c.Action.Type == "get" {
		return []uint64{m.ExportedGlobal(c.Action.Field).Get()}, nil
	}
	var args []uint64
	for _, v := range c.Action.Args {
		args = append(args, v.stack()...)
	}
	return m.ExportedFunction(c.Action.Field).Call(ctx, args...)
}

// TestSpecification runs the tests of the specification of WebAssembly, which come with
// wazero, with and without checks. Both do the same, and what is invalid stays so.
func TestSpecification(t *testing.T) {
	t.Parallel()
	dir, err := specDir()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "v2", "testdata", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var test struct{ Commands []specCommand }
			require.NoError(t, json.Unmarshal(text, &test))
			plain := newWorld(t, dir, func(b []byte) ([]byte, error) { return b, nil })
			changed := newWorld(t, dir, metered)
			for i, c := range test.Commands {
				var wasm []byte
				switch {
				case c.Type == "register", c.Type == "assert_exhaustion", strings.HasSuffix(c.Filename, ".wat"):
					continue
				case c.Filename != "":
					wasm, err = os.ReadFile(filepath.Join(dir, "v2", "testdata", c.Filename))
					require.NoError(t, err)
				}
				as := registeredAs(test.Commands[i:])
				want, wantErr := plain.do(c, as, wasm)
				got, gotErr := changed.do(c, as, wasm)
				require.Equal(t, cause(wantErr) == nil, cause(gotErr) == nil, "line %d: %v: %v", c.Line, wantErr, gotErr)
				if c.Filename == "" {
					require.Equal(t, cause(wantErr), cause(gotErr), "line %d", c.Line)
				}
				if !slices.ContainsFunc(c.Action.Args, isReference) {
					require.Equal(t, want, got, "line %d: %s", c.Line, c.Action.Field)
				}
			}
		})
	}
}

func isReference(v specValue) bool { return strings.HasSuffix(v.Type, "ref") }

// cause returns why wazero stopped a function.
func cause(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	if err == nil {
		return nil
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s", first) //nolint:err113 // compared with another
}

// registeredAs returns the name under which others import the module of the first
// command.
func registeredAs(commands []specCommand) string {
	for _, c := range commands[1:] {
		if c.Type == "register" && c.Name == commands[0].Name {
			return c.As
		}
		if c.Type == "module" && commands[0].Name == "" {
			break
		}
	}
	return ""
}
