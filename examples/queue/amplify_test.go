//go:build !wasip1

package queue

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// amplifier is a guest that sends 64 MiB of empty messages, of two bytes each, and exits
// with the code of the result.
const amplifier = "\x00asm\x01\x00\x00\x00" +
	"\x01\x10\x03\x60\x04\x7f\x7f\x7f\x7f\x01\x7e\x60\x01\x7f\x00\x60\x00\x00" + // types
	"\x02\x3a\x02\x0equeue.v1.Queue\x04Send\x00\x00" + "\x16wasi_snapshot_preview1\x09proc_exit\x00\x01" +
	"\x03\x02\x01\x02" + // one function
	"\x05\x04\x01\x00\x90\x08" + // memory of 1040 pages
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x02" +
	"\x0a\x49\x01\x47\x02\x01\x7f\x01\x7e" + // code, with the locals $i and $r
	"\x03\x40" + "\x20\x00\x42\x92\x80\xc8\x80\xa0\x82\x80\x09\x37\x03\x00" + // loop: i64.store($i, 0x0012001200120012)
	"\x20\x00\x41\x08\x6a\x21\x00" + "\x20\x00\x41\x80\x80\x80\x20\x49\x0d\x00\x0b" + // $i += 8, while $i < 64 MiB
	"\x41\x00\x41\x80\x80\x80\x20\x41\x80\x80\x80\x20\x41\x80\x80\x04\x10\x00\x21\x01" + // $r = Send(0, 64 MiB, 64 MiB, 64 KiB)
	"\x41\x00\x20\x01\x42\x20\x87\xa7\x6b\x10\x01\x0b" // proc_exit(-code)

// TestAmplification: a request that would take gigabytes when it is decoded is refused, and
// takes next to nothing.
func TestAmplification(t *testing.T) { //nolint:paralleltest // it counts all allocations
	host := plugintest.Host(t)
	require.NoError(t, start(t, host, &queuev1.QueueConfig{Database: inMemory}))
	guest, err := host.Compile(t.Context(), "amplifier", []byte(amplifier))
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	code, err := guest.Run(t.Context())
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.EqualValues(t, status.ResourceExhausted, code)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(eng.DefaultMaxDecoded))
	t.Logf("%v, %d MiB", took, (after.TotalAlloc-before.TotalAlloc)>>20)
	require.Less(t, took, 20*time.Second)
}
