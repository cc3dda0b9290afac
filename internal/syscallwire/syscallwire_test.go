package syscallwire

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// TestCall: what is written is the message, and what is read is it, too.
func TestCall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Call{
			MethodHigh: rapid.Uint64().Draw(t, "high"), MethodLow: rapid.Uint64().Draw(t, "low"),
			Parent: rapid.Uint64().Draw(t, "parent"), WaitNs: rapid.Int64().Draw(t, "wait"),
			Param: rapid.SliceOf(rapid.Byte()).Draw(t, "param"),
		}
		b := append(make([]byte, CallPrefix), c.Param...)
		c.Put(b, len(c.Param))
		m := new(syscallpb.CallRequest)
		require.NoError(t, proto.Unmarshal(b, m))
		decoded := Call{m.GetMethodHigh(), m.GetMethodLow(), m.GetParent(), m.GetWaitNs(), own(m.GetParam())}
		require.Equal(t, c, decoded)
		for _, encoded := range [][]byte{b, marshal(t, m)} {
			var got Call
			require.True(t, got.Read(encoded))
			got.Param = own(got.Param)
			require.Equal(t, c, got)
		}
	})
}

// TestAnswer is TestCall for answers.
func TestAnswer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := Answer{
			Call: rapid.Uint64().Draw(t, "call"), WaitNs: rapid.Int64().Draw(t, "wait"),
			Code: rapid.Int32().Draw(t, "code"), Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		}
		b := append(make([]byte, AnswerPrefix), a.Body...)
		a.Put(b, len(a.Body))
		m := new(syscallpb.NextRequest)
		require.NoError(t, proto.Unmarshal(b, m))
		decoded := Answer{m.GetCall(), m.GetWaitNs(), m.GetResultError(), own(m.GetResult())}
		require.Equal(t, a, decoded)
		for _, encoded := range [][]byte{b, marshal(t, m)} {
			var got Answer
			require.True(t, got.Read(encoded))
			got.Body = own(got.Body)
			require.Equal(t, a, got)
		}
	})
}

// TestResult: a response has its length before it, whatever that is.
func TestResult(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 127, 128, 1 << 14, 1<<21 + 1} {
		b := make([]byte, ResultPrefix+size)
		PutResult(b, size)
		m := new(syscallpb.CallResponse)
		require.NoError(t, proto.Unmarshal(b, m))
		require.Len(t, m.GetResult(), size)
	}
}

// TestDelivery: a call is written as its message, and read without decoding that, unless it has
// metadata.
func TestDelivery(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u64 := func(what string) uint64 { return rapid.Uint64().Draw(t, what) }
		d := Delivery{
			Call: u64("call"), MethodHigh: u64("method high"), MethodLow: u64("method low"),
			CallerHigh: u64("caller high"), CallerLow: u64("caller low"), TimeoutNs: rapid.Int64().Draw(t, "timeout"),
			CallerName: rapid.String().Draw(t, "name"), Param: rapid.SliceOf(rapid.Byte()).Draw(t, "param"),
			Metadata: rapid.MapOfN(rapid.String(), rapid.String(), -1, 3).Draw(t, "metadata"),
		}
		b := make([]byte, d.Size())
		require.NoError(t, d.Put(b))
		m := new(syscallpb.NextResponse)
		require.NoError(t, proto.Unmarshal(b, m))
		require.Equal(t, []uint64{d.Call, d.MethodHigh, d.MethodLow, d.CallerHigh, d.CallerLow, uint64(d.TimeoutNs)},
			[]uint64{m.GetCall(), m.GetMethodHigh(), m.GetMethodLow(), m.GetCallerHigh(), m.GetCallerLow(), uint64(m.GetTimeoutNs())})
		require.Equal(t, d.CallerName, m.GetCallerName())
		require.Equal(t, string(d.Param), string(m.GetParam()))
		require.Len(t, m.GetMetadata(), len(d.Metadata))
		for key, value := range d.Metadata {
			require.Equal(t, value, m.GetMetadata()[key])
		}
		var got Delivery
		require.Equal(t, len(d.Metadata) == 0, got.ReadCall(b))
		if len(d.Metadata) == 0 {
			require.Equal(t, string(d.Param), string(got.Param))
			got.Param, got.Metadata = d.Param, d.Metadata
			require.Equal(t, d, got)
		}
	})
}

// TestNotice: notices are messages like others.
func TestNotice(t *testing.T) {
	t.Parallel()
	d := Delivery{Notice: &syscallpb.NextResponse{Cancelled: []uint64{1, 2}, Exit: &syscallpb.ExitNotice{Code: 3, Everyone: true}}}
	b := make([]byte, d.Size())
	require.NoError(t, d.Put(b))
	m := new(syscallpb.NextResponse)
	require.NoError(t, proto.Unmarshal(b, m))
	require.True(t, proto.Equal(d.Notice, m))
	var got Delivery
	require.False(t, got.ReadCall(b))
	require.False(t, got.ReadCall(nil))
}

// own returns a copy of b that is never nil.
func own(b []byte) []byte { return append([]byte{}, b...) }

func marshal(t *rapid.T, m proto.Message) []byte {
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

// FuzzRead: guests send what they like. What protobuf-go refuses for its form is refused here,
// and what both take is the same.
func FuzzRead(f *testing.F) {
	c := Call{MethodHigh: 1, MethodLow: 2, Parent: 3, WaitNs: 4}
	b := append(make([]byte, CallPrefix), "param"...)
	c.Put(b, 5)
	f.Add(b)
	a := Answer{Call: 1, WaitNs: 2, Code: -3}
	b = append(make([]byte, AnswerPrefix), "body"...)
	a.Put(b, 4)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Call
		m := new(syscallpb.CallRequest)
		if err := proto.Unmarshal(b, m); c.Read(b) {
			if err == nil {
				require.Equal(t, own(m.GetParam()), own(c.Param))
			}
		} else {
			require.Error(t, err)
		}
		var a Answer
		n := new(syscallpb.NextRequest)
		if !a.Read(b) {
			require.Error(t, proto.Unmarshal(b, n))
		}
		var d Delivery
		d.ReadCall(b)
	})
}
