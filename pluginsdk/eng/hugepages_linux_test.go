package eng

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestHugePages has the system be asked for huge pages, if it has them, for all of a memory
// but its beginning.
func TestHugePages(t *testing.T) {
	t.Parallel()
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage/enabled")
	m := newMemory(3*hugePage, 5*hugePage)
	defer m.Free()
	first := uintptr(unsafe.Pointer(unsafe.SliceData(m.Reallocate(3*hugePage + 1))))
	require.Zero(t, first%hugePage)
	require.NotContains(t, flags(t, first), " hg")
	for _, at := range []uintptr{first + smallStart, first + 4*hugePage - 1} {
		require.Equal(t, err == nil, strings.Contains(flags(t, at), " hg"))
		require.Contains(t, flags(t, at), " wr ", "a huge page can be accessed as a whole")
	}
	require.NotContains(t, flags(t, first+4*hugePage), " wr ")
}

// flags returns the line VmFlags of the mapping that has the address in it.
func flags(t *testing.T, address uintptr) string {
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	inside := false
	for line := range strings.Lines(string(smaps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			inside = from <= address && address < to
		}
		if inside && strings.HasPrefix(line, "VmFlags:") {
			return line
		}
	}
	require.Fail(t, "no mapping")
	return ""
}
