//go:build !wasip1

package skeleton_impl

import (
	"context"

	skeletonv1 "github.com/iansmith/parigot/internal/gen/testdata/skeleton/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/skeleton/v1/skeletonv1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestPlugin implements the service skeleton.Test.
type TestPlugin struct {
	skeletonv1parigot.UnimplementedTestServer
}

var _ skeletonv1parigot.TestServer = (*TestPlugin)(nil)

// initTestPlugin registers a TestPlugin of its own with e, so that its state
// belongs to that engine alone. It is no method, because Init is one of the
// service.
func initTestPlugin(ctx context.Context, e eng.Engine) bool {
	return skeletonv1parigot.RegisterTest(ctx, e, &TestPlugin{}) == nil
}

// describeTestPlugin says what initTestPlugin will register. With a
// configuration, set Config to an empty message of its type. It is no method,
// because Init is one of the service.
func describeTestPlugin() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{skeletonv1parigot.Test_ServiceDesc}}
}

// Init serves skeleton.Test.Init.
func (p *TestPlugin) Init(ctx context.Context, req *skeletonv1.GetRequest) (*skeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, skeletonv1parigot.Test_Init_FullName+" is not implemented")
}
