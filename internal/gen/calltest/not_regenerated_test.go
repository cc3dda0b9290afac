//go:build !wasip1

package calltest

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/gen/testdata/not_regenerated/kv"
	"github.com/iansmith/parigot/internal/gen/testdata/not_regenerated/kv/kvparigot"
	"github.com/iansmith/parigot/internal/gen/testdata/not_regenerated/kv_impl"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// store implements the service of an earlier generator, but for Clear.
type store struct {
	kvparigot.UnimplementedStoreServer
	values map[string]string
}

func (s *store) Get(_ context.Context, req *kv.GetRequest) (*kv.GetResponse, error) {
	value, ok := s.values[req.GetKey()]
	if !ok {
		return nil, status.Error(kv.StoreErr_STORE_ERR_NO_KEY, "no such key")
	}
	return &kv.GetResponse{Value: value}, nil
}

func (s *store) Put(_ context.Context, req *kv.PutRequest) (*kv.PutResponse, error) {
	s.values[req.GetKey()] = req.GetValue()
	id, err := kvparigot.ParseEntryId("e-00000000000000010000000000000002")
	return &kv.PutResponse{Id: id.Proto()}, err
}

// TestNotRegenerated: code that an earlier generator wrote works with the SDK as
// it is now, from stub to bridge to implementation.
func TestNotRegenerated(t *testing.T) {
	t.Parallel()
	require.NoFileExists(t, "../testdata/not_regenerated/params", "this directory must not be generated")
	ctx := t.Context()
	host := plugintest.Engine(t)
	require.NoError(t, kvparigot.RegisterStore(ctx, host, &store{values: map[string]string{}}))
	guest := plugintest.Guest(t, host, "../testdata/not_regenerated/guest")
	var out bytes.Buffer
	code, err := guest.Run(ctx, eng.WithStdout(&out), eng.WithStderr(&out))
	require.NoError(t, err, out.String())
	require.Zero(t, code, out.String())
	require.Equal(t, "no key: true\nput: e-00000000000000010000000000000002\ngot: red\nclear: true\n", out.String())
}

// TestNotRegeneratedOnTheHost: the same without wasm, and the skeleton.
func TestNotRegeneratedOnTheHost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := kvparigot.NewLocalStoreClient(&store{values: map[string]string{"colour": "red"}})
	got, err := client.Get(ctx, &kv.GetRequest{Key: "colour"})
	require.NoError(t, err)
	require.Equal(t, "red", got.GetValue())
	_, err = client.Clear(ctx, &kv.ClearRequest{}) //nolint:staticcheck // deprecated methods work too
	require.ErrorIs(t, err, status.Of(status.Unimplemented))

	host := plugintest.Engine(t)
	require.True(t, kv_impl.ParigotInitialize.Init(ctx, host), "%v", host.Failures())
	require.EqualValues(t, kvparigot.StoreServiceName, kvparigot.Store_ServiceDesc.Descriptor().FullName())
}
