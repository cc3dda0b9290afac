package eng

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// namesOf is a section with a name of the module, of functions, and of variables.
func namesOf(functions string) string {
	return sectionOf(0, "\x04name"+sectionOf(0, "\x06module")+sectionOf(1, functions)+sectionOf(2, "\x01\x00\x01\x00\x01v"))
}

// TestNamesThatAreKept: of a section of names only short names of functions are left, in order.
func TestNamesThatAreKept(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxFunctionName-1)
	for name, c := range map[string]struct{ functions, want string }{
		"all":               {"\x02\x00\x01f\x07\x01g", "\x02\x00\x01f\x07\x01g"},
		"empty":             {"\x02\x00\x00\x01\x01g", "\x01\x01\x01g"},
		"twice":             {"\x02\x01\x01f\x01\x01g", "\x01\x01\x01f"},
		"not in order":      {"\x03\x05\x01f\x03\x01g\x06\x01h", "\x02\x05\x01f\x06\x01h"},
		"evil":              {"\x01\x00\x03a\nb", "\x01\x00\x03a?b"},
		"long":              {"\x01\x00" + uleb(maxFunctionName+1) + long + "é", "\x01\x00" + uleb(maxFunctionName) + long + "?"},
		"fewer than counts": {"\x09\x00\x01f", "\x01\x00\x01f"},
		"cut off":           {"\x02\x00\x01f\x01\x09g", "\x01\x00\x01f"},
	} {
		got, _, err := confine([]byte(preamble+namesOf(c.functions)), 1)
		require.NoError(t, err, name)
		require.Equal(t, preamble+sectionOf(0, "\x04name"+sectionOf(1, c.want)), string(got), name)
	}
}

// TestErrorsWithNamesAreShort: the text of an error does not grow with the names in a module.
func TestErrorsWithNamesAreShort(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	// A function that calls itself until the argument is 0, and traps then.
	recurses := "\x00" + getInt + "\x45\x04\x40\x00\x0b" + getInt + "\x41\x01\x6b\x10\x00\x0b"
	starts := "\x00\x41\xe4\x00\x10\x00\x0b"
	traps := preamble + sectionOf(1, "\x02\x60\x01\x7f\x00\x60\x00\x00") + sectionOf(3, "\x02\x00\x01") + sectionOf(7, "\x01\x06_start\x00\x01") +
		sectionOf(10, "\x02"+uleb(uint64(len(recurses)))+recurses+uleb(uint64(len(starts)))+starts) +
		sectionOf(0, "\x04name"+sectionOf(1, "\x01\x00"+named(1<<20)))
	g, err := h.Compile(t.Context(), "traps", []byte(traps))
	require.NoError(t, err)
	_, err = g.Run(t.Context())
	require.ErrorContains(t, err, "unreachable")
	require.Less(t, len(err.Error()), 64<<10)

	evil := uleb(MaxName) + times(MaxName, "\x01")
	imports := each(100, func(i uint64) string {
		return uleb(MaxName) + string([]byte{byte(i)}) + times(MaxName-1, "\x01") + evil + "\x00\x00"
	})
	g, err = h.Compile(t.Context(), "imports", []byte(preamble+sectionOf(1, noType)+sectionOf(2, "\x64"+imports)))
	require.NoError(t, err)
	err = g.CheckImports()
	require.ErrorContains(t, err, "100 of its imports cannot be met")
	require.Less(t, len(err.Error()), 256<<10)
}
