//go:build !wasip1

package kv_impl

import (
	"context"

	"github.com/iansmith/parigot/internal/gen/testdata/not_regenerated/kv"
	"github.com/iansmith/parigot/internal/gen/testdata/not_regenerated/kv/kvparigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// StorePlugin implements the service not_regenerated.Store.
//
// Store keeps values.
type StorePlugin struct {
	kvparigot.UnimplementedStoreServer
}

var _ kvparigot.StoreServer = (*StorePlugin)(nil)

// ParigotInitialize is the plugin that a host initialises.
var ParigotInitialize pluginsdk.ParigotInit = &StorePlugin{}

// Init registers a StorePlugin of its own with e, so that its state belongs to
// that engine alone.
func (*StorePlugin) Init(ctx context.Context, e eng.Engine) bool {
	return kvparigot.RegisterStore(ctx, e, &StorePlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*StorePlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{kvparigot.Store_ServiceDesc}}
}

// Get serves not_regenerated.Store.Get.
//
// Get returns a value.
func (p *StorePlugin) Get(ctx context.Context, req *kv.GetRequest) (*kv.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, kvparigot.Store_Get_FullName+" is not implemented")
}

// Put serves not_regenerated.Store.Put.
//
// Put keeps a value.
func (p *StorePlugin) Put(ctx context.Context, req *kv.PutRequest) (*kv.PutResponse, error) {
	return nil, status.Error(status.Unimplemented, kvparigot.Store_Put_FullName+" is not implemented")
}

// Clear serves not_regenerated.Store.Clear.
//
// Deprecated: the rpc not_regenerated.Store.Clear is marked as deprecated in
// not_regenerated/kv.proto.
func (p *StorePlugin) Clear(ctx context.Context, req *kv.ClearRequest) (*kv.ClearResponse, error) {
	return nil, status.Error(status.Unimplemented, kvparigot.Store_Clear_FullName+" is not implemented")
}
