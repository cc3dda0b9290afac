//go:build !wasip1

package skeleton_impl

import (
	"context"

	skeletonv1 "github.com/iansmith/parigot/internal/gen/testdata/skeleton/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/skeleton/v1/skeletonv1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// HTTPFilesPlugin implements the service skeleton.HTTPFiles.
//
// HTTPFiles serves files.
type HTTPFilesPlugin struct {
	skeletonv1parigot.UnimplementedHTTPFilesServer
}

var _ skeletonv1parigot.HTTPFilesServer = (*HTTPFilesPlugin)(nil)

// ParigotInitialize is the plugin that a host initialises.
var ParigotInitialize pluginsdk.ParigotInit = pluginsdk.InitAll(&HTTPFilesPlugin{}, &LinuxPlugin{}, pluginsdk.Described(&CatalogPlugin{}, describeCatalogPlugin), pluginsdk.Described(pluginsdk.InitFunc(initTestPlugin), describeTestPlugin))

// Init registers a HTTPFilesPlugin of its own with e, so that its state
// belongs to that engine alone.
func (*HTTPFilesPlugin) Init(ctx context.Context, e eng.Engine) bool {
	return skeletonv1parigot.RegisterHTTPFiles(ctx, e, &HTTPFilesPlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*HTTPFilesPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{skeletonv1parigot.HTTPFiles_ServiceDesc}}
}

// Get serves skeleton.HTTPFiles.Get.
//
// Get gets one.
func (p *HTTPFilesPlugin) Get(ctx context.Context, req *skeletonv1.GetRequest) (*skeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, skeletonv1parigot.HTTPFiles_Get_FullName+" is not implemented")
}

// Purge serves skeleton.HTTPFiles.Purge.
//
// Deprecated: the rpc skeleton.HTTPFiles.Purge is marked as deprecated in
// skeleton/a.proto.
func (p *HTTPFilesPlugin) Purge(ctx context.Context, req *emptypb.Empty) (*emptypb.Empty, error) {
	return nil, status.Error(status.Unimplemented, skeletonv1parigot.HTTPFiles_Purge_FullName+" is not implemented")
}
