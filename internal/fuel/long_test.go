package fuel_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/iansmith/parigot/internal/fuel"
)

// longModule exports a memory, and a function that does an instruction of three operands.
func longModule(pages int, instruction string) []byte {
	body := "\x00\x20\x00\x20\x01\x20\x02" + instruction + "\x0b"
	return []byte(preamble + section(1, "\x01\x60\x03\x7f\x7f\x7f\x00") + section(3, "\x01\x00") + section(5, "\x01\x00"+uleb(pages)) +
		section(7, "\x02\x01f\x00\x00\x01m\x02\x00") + section(10, "\x01"+uleb(len(body))+body))
}

// TestLongInstructions: an instruction that writes much memory does it in pieces, with a
// look at the host after each tank of fuel, and does what it did: also when what it copies
// overlaps with where it goes, and when it ends behind the memory, where it writes nothing.
func TestLongInstructions(t *testing.T) {
	t.Parallel()
	const pages, mib = 640, 1 << 20 // 40 MiB
	for name, c := range map[string]struct {
		instruction string
		args        []uint64
		refuels     int // at least
	}{
		"fill":               {"\xfc\x0b\x00", []uint64{1 * mib, 7, 33*mib + 5}, 2},
		"fill to the end":    {"\xfc\x0b\x00", []uint64{4 * mib, 7, 36 * mib}, 2},
		"fill behind it":     {"\xfc\x0b\x00", []uint64{4 * mib, 7, 36*mib + 1}, 1},
		"fill 4 GiB":         {"\xfc\x0b\x00", []uint64{0, 7, 1<<32 - 1}, 1},
		"fill nothing":       {"\xfc\x0b\x00", []uint64{40 * mib, 7, 0}, 0},
		"fill nothing after": {"\xfc\x0b\x00", []uint64{40*mib + 1, 7, 0}, 0},
		"copy up":            {"\xfc\x0a\x00\x00", []uint64{3*mib + 1, 0, 36 * mib}, 2},
		"copy down":          {"\xfc\x0a\x00\x00", []uint64{0, 3*mib + 1, 36 * mib}, 2},
		"copy up a byte":     {"\xfc\x0a\x00\x00", []uint64{1, 0, 40*mib - 1}, 2},
		"copy down a byte":   {"\xfc\x0a\x00\x00", []uint64{0, 1, 40*mib - 1}, 2},
		"copy apart":         {"\xfc\x0a\x00\x00", []uint64{20 * mib, 0, 20 * mib}, 1},
		"copy in place":      {"\xfc\x0a\x00\x00", []uint64{0, 0, 40 * mib}, 2},
		"copy from behind":   {"\xfc\x0a\x00\x00", []uint64{0, 4 * mib, 36*mib + 1}, 1},
		"copy to behind":     {"\xfc\x0a\x00\x00", []uint64{4 * mib, 0, 36*mib + 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			refuels := 0
			do := func(module []byte) ([]byte, error) {
				r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(pages))
				defer func() { require.NoError(t, r.Close(ctx)) }()
				refuelable(t, r, func(context.Context) int64 { refuels++; return fuel.Tank })
				m, err := r.Instantiate(ctx, module)
				require.NoError(t, err)
				memory, _ := m.Memory().Read(0, m.Memory().Size())
				for i := range memory {
					memory[i] = byte(i>>12 ^ i)
				}
				_, err = m.ExportedFunction("f").Call(ctx, c.args...)
				return slices.Clone(memory), cause(err)
			}
			module := longModule(pages, c.instruction)
			want, wantErr := do(module)
			changed, err := metered(module)
			require.NoError(t, err)
			got, gotErr := do(changed)
			require.Equal(t, wantErr, gotErr)
			require.True(t, bytes.Equal(want, got), "the memory differs")
			require.GreaterOrEqual(t, refuels, c.refuels, fmt.Sprint(c.args))
		})
	}
}
