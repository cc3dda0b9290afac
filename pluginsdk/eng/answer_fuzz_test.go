package eng

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/experimental/wazerotest"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// FuzzAnswer reads what a guest answers its host: the place of a record, the record, a status,
// and the list of its methods.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x0a\x00"), uint32(0), uint32(14), int32(-5))
	f.Add([]byte("a.B.C\na.B.D\n"), uint32(0), uint32(12), int32(7))
	f.Add([]byte("\x08\x05\x12\x02no\x1a\x02\x0a\x00"), uint32(65530), uint32(12), int32(-17))
	limits := instance.Limits{MaxResponse: 1 << 20, MaxDecoded: 1 << 20}
	f.Fuzz(func(t *testing.T, memory []byte, ptr, size uint32, code int32) {
		mem := wazerotest.NewFixedMemory(wazerotest.PageSize)
		copy(mem.Bytes, memory)
		rec, body, err := readRecord(mem, abi.Place(ptr, size))
		if err == nil {
			require.Len(t, body, int(rec.Size))
			require.LessOrEqual(t, uint64(ptr)+uint64(size), uint64(len(mem.Bytes)))
		} else {
			require.Equal(t, status.Internal, status.CodeOf(err))
		}
		if code != 0 {
			s, ok := status.From(core.Answer{Call: "a.B.C", Code: code, Body: memory}.Into(new(emptypb.Empty), &limits, nil))
			require.True(t, ok)
			_, ok = s.WireCode()
			require.True(t, ok)
		}
		if o, err := parseOffers(string(memory)); err == nil {
			require.Len(t, o.numbers, len(o.names))
			for n, name := range o.names {
				require.EqualValues(t, n, o.numbers[name])
			}
		}
		_, _ = (&Guest{program: new(program)}).readOffers(mem, abi.Place(ptr, size))
	})
}
