package frame

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRoundTrip: frames come out as they went in, however they are cut on their way.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		payloads := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 20000)).Draw(t, "payloads")
		var stream []byte
		for i, p := range payloads {
			stream = Append(stream, Kind(1+i%200), p)
		}
		source := io.Reader(bytes.NewReader(stream))
		if rapid.Bool().Draw(t, "halves") {
			source = iotest.HalfReader(source)
		}
		r := NewReader(source, 20000)
		for i, p := range payloads {
			kind, got, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, Kind(1+i%200), kind)
			require.True(t, bytes.Equal(p, got))
			if extended := r.Extend(got, 100); extended != nil {
				require.Len(t, extended, len(p)+100)
				require.True(t, bytes.Equal(p, extended[:len(p)]))
				clear(extended[len(p):])
			}
		}
		_, _, err := r.Next()
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestHeadsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := CallHead{
			Seq: rapid.Uint64().Draw(t, "seq"), IDHigh: rapid.Uint64().Draw(t, "high"), IDLow: rapid.Uint64().Draw(t, "low"),
			Timeout: time.Duration(rapid.Int64Min(0).Draw(t, "timeout")), Function: rapid.Uint32().Draw(t, "function"),
			Metadata: rapid.SliceOf(rapid.Byte()).Draw(t, "metadata"),
		}
		request := rapid.SliceOf(rapid.Byte()).Draw(t, "request")
		got, rest, err := ReadCall(append(c.Append(nil), request...))
		require.NoError(t, err)
		require.True(t, bytes.Equal(c.Metadata, got.Metadata) && bytes.Equal(request, rest))
		got.Metadata, c.Metadata = nil, nil
		require.Equal(t, c, got)

		r := ResultHead{Seq: c.Seq, Code: rapid.Int32().Draw(t, "code"), Incidents: c.Function}
		var b [ResultSize]byte
		r.Put(b[:])
		require.Equal(t, r, ReadResult(b[:]))
		cancel := Cancellation{Connection: c.Function, Seq: c.Seq}
		gotCancel, err := ReadCancel(cancel.Append(nil))
		require.NoError(t, err)
		require.Equal(t, cancel, gotCancel)
		g := Greeting{Version: c.Function, MaxRequest: 1, MaxResponse: 2, Name: "who"}
		gotGreeting, err := ReadGreeting(g.Append(nil))
		require.NoError(t, err)
		require.Equal(t, g, gotGreeting)
	})
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string][]byte{
		"too large":    {101, 0, 0, 0, 1, 0, 0, 0},
		"huge":         {0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0},
		"no kind":      {0, 0, 0, 0, 0, 0, 0, 0},
		"wide kind":    {0, 0, 0, 0, 1, 1, 0, 0},
		"half header":  {1, 0, 0},
		"half payload": {2, 0, 0, 0, 1, 0, 0, 0, 7},
	} {
		_, _, err := NewReader(bytes.NewReader(stream), 100).Next()
		require.Error(t, err, name)
		require.NotErrorIs(t, err, io.EOF, name)
	}
}

// TestReaderMemory: a length does not get memory before its bytes come.
func TestReaderMemory(t *testing.T) {
	t.Parallel()
	r := NewReader(bytes.NewReader([]byte{0, 0, 0, 64, 1, 0, 0, 0, 1}), 1<<30)
	_, _, err := r.Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.LessOrEqual(t, len(r.buf), 2*firstBuffer)
}

func FuzzReader(f *testing.F) {
	f.Add(Append(Append(nil, Call, CallHead{Seq: 1, Metadata: []byte{1}}.Append(nil)), Cancel, Cancellation{}.Append(nil)))
	f.Add(Append(nil, Hello, Greeting{Version: 1, Name: "x"}.Append(nil)))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 24, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(iotest.HalfReader(bytes.NewReader(stream)), 1<<16)
		for {
			_, payload, err := r.Next()
			if err != nil {
				return
			}
			if len(payload) > 1<<16 {
				t.Fatal("over the limit")
			}
			if c, request, err := ReadCall(payload); err == nil && !bytes.Equal(append(c.Append(nil), request...), payload) {
				t.Fatal("a call is not what it was read from")
			}
			if g, err := ReadGreeting(payload); err == nil && len(g.Name) > 3*maxPeerName {
				t.Fatal("a name is too long")
			}
			_, _ = ReadCancel(payload)
			_, _, _ = ReadSeq(payload)
		}
	})
}
