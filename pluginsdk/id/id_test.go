package id_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

func TestParseIsTheInverseOfString(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := id.From[id.HostKind](rapid.Uint64().Draw(t, "high"), rapid.Uint64().Draw(t, "low"))
		got, err := id.Parse[id.HostKind](want.String())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, want.High() == 0 && want.Low() == 0, want.IsZero())
	})
}

func TestFromProtoIsTheInverseOfProto(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := id.From[id.HostKind](rapid.Uint64().Draw(t, "high"), rapid.Uint64().Draw(t, "low"))
		require.Equal(t, want, id.FromProto[id.HostKind](want.Proto()))
		require.Equal(t, want.IsZero(), want.Proto() == nil)
		require.Equal(t, want.High(), want.Proto().GetHigh())
		require.Equal(t, want.Low(), want.Proto().GetLow())
	})
	require.Nil(t, id.HostId{}.Proto())
	require.True(t, id.FromProto[id.HostKind](nil).IsZero())
	require.True(t, id.FromProto[id.HostKind](&parigotpb.Id{}).IsZero())
}

func TestString(t *testing.T) {
	t.Parallel()
	i := id.From[id.CallKind](0x0123456789abcdef, 0x1)
	require.Equal(t, "c-0123456789abcdef0000000000000001", i.String())
	require.Equal(t, "c-000001", i.Short())
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "h-", "s-0123456789abcdef0000000000000001", "0123456789abcdef0000000000000001", "h-0123456789abcdef000000000000000g", "h-0123456789abcdef00000000000000010"} {
		_, err := id.Parse[id.HostKind](s)
		require.ErrorContains(t, err, `is not a host id: want "h-" and 32 hexadecimal digits`, s)
	}
}

func TestNewIsNeverTheSame(t *testing.T) {
	t.Parallel()
	seen := map[id.HostId]bool{}
	for range 1000 {
		i := id.New[id.HostKind]()
		require.False(t, i.IsZero() || seen[i])
		seen[i] = true
	}
}

func TestLetters(t *testing.T) {
	t.Parallel()
	letters := map[byte]string{}
	for _, k := range []id.Kind{id.HostKind{}, id.ServiceKind{}, id.MethodKind{}, id.CallKind{}, id.IncidentKind{}} {
		require.Empty(t, letters[k.Letter()], k.Name())
		letters[k.Letter()] = k.Name()
		require.Equal(t, k.Name()[0], k.Letter())
	}
}
