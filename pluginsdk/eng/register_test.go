package eng_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestMissingImportsAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	h := plugintest.Engine(t)
	g, err := h.Compile(t.Context(), "importer", importer)
	require.NoError(t, err)
	_, err = g.Run(t.Context())
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorIs(t, g.CheckImports(), status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, `guest "importer" cannot start, 6 of its imports cannot be met:
  "a.\nB.F": no plugin registered this module
  a.A.F: no plugin registered this module
  a.B.F: no plugin registered this module
  env.memory: a memory: guests have their own, and import functions only
  parigot.nothing: no such function in ABI v1
  parigot.take: the guest declares it as () -> (), the host has (i32, i32) -> (i64)`)

	nop := func(context.Context, api.Module, []uint64) {}
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "a.A"}))
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "a.B", Functions: []eng.Function{{Name: "F", Call: nop}, {Name: "G", Call: nop}}}))
	err = g.CheckImports()
	require.ErrorContains(t, err, "a.A.F: the plugin has no such function, it has none")
	require.ErrorContains(t, err, "a.B.F: the guest declares it as () -> (), the host has (i32, i32, i32, i32) -> (i64)")
}

// importer is a wasm module with five imports of type () -> () and one of a
// memory, and a function _start.
var importer = func() []byte {
	const module = "\x00asm\x01\x00\x00\x00" +
		"\x01\x04\x01\x60\x00\x00" // type section: () -> ()
	var imports strings.Builder
	imports.WriteByte(6)
	for _, im := range [][2]string{{"a.B", "F"}, {"parigot", "take"}, {"a.A", "F"}, {"parigot", "nothing"}, {"a.\nB", "F"}, {"env", "memory"}} {
		for _, s := range im {
			imports.WriteString(string(rune(len(s))) + s)
		}
		if im[0] == "env" {
			imports.WriteString("\x02\x00\x01") // a memory of at least one page
		} else {
			imports.WriteString("\x00\x00") // a function of type 0
		}
	}
	return []byte(module + section(2, imports.String()) +
		section(3, "\x01\x00") + // function section: one of type 0
		section(7, "\x01\x06_start\x00\x05") + // export section: it is _start
		section(10, "\x01\x02\x00\x0b")) // code section: it does nothing
}()

// section encodes a section of less than 128 bytes.
func section(id byte, content string) string {
	return string([]byte{id, byte(len(content))}) + content
}

func TestRegisterErrors(t *testing.T) {
	t.Parallel()
	nop := func(context.Context, api.Module, []uint64) {}
	f := func(names ...string) (fs []eng.Function) {
		for _, n := range names {
			fs = append(fs, eng.Function{Name: n, Call: nop})
		}
		return fs
	}
	tests := []struct {
		name string
		m    eng.HostModule
		want string
		code status.Code
	}{
		{"duplicate", eng.HostModule{Name: "test.v1.Test", Functions: f("New", "Echo")}, `"Echo" is registered already`, status.AlreadyExists},
		{"duplicate in itself", eng.HostModule{Name: "a.A", Functions: f("F", "F")}, `"F" is registered already`, status.AlreadyExists},
		{"no module name", eng.HostModule{Functions: f("F")}, "name is empty", status.InvalidArgument},
		{"WASI", eng.HostModule{Name: "wasi_snapshot_preview1", Functions: f("F")}, "reserved", status.InvalidArgument},
		{"parigot", eng.HostModule{Name: "parigot", Functions: f("F")}, "reserved", status.InvalidArgument},
		{"no function name", eng.HostModule{Name: "a.A", Functions: f("")}, "function 0 has no name", status.InvalidArgument},
		{"no call", eng.HostModule{Name: "a.A", Functions: []eng.Function{{Name: "F"}}}, `"F" has no Call`, status.InvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			err := h.Register(t.Context(), tt.m)
			require.ErrorContains(t, err, tt.want)
			require.ErrorIs(t, err, status.Of(tt.code))
			require.Equal(t, err, h.Failures())
			require.NoError(t, h.Failures())
			if tt.m.Name == "test.v1.Test" {
				require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: tt.m.Name, Functions: f("New")}), "all or none")
			}
		})
	}
}

func TestRegisterAfterGuestsStarted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	run(t, h, "world")
	f := []eng.Function{{Name: "F", Call: func(context.Context, api.Module, []uint64) {}}}
	require.ErrorIs(t, h.Register(t.Context(), eng.HostModule{Name: "test.v1.Test", Functions: f}), status.Of(status.FailedPrecondition))
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "test.v1.Other", Functions: f}))
}
