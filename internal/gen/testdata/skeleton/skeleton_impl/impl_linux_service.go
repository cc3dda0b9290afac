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

// LinuxPlugin implements the service skeleton.Linux.
type LinuxPlugin struct {
	skeletonv1parigot.UnimplementedLinuxServer
}

var _ skeletonv1parigot.LinuxServer = (*LinuxPlugin)(nil)

// Init registers a LinuxPlugin of its own with e, so that its state belongs to
// that engine alone.
func (*LinuxPlugin) Init(ctx context.Context, e eng.Engine) bool {
	return skeletonv1parigot.RegisterLinux(ctx, e, &LinuxPlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*LinuxPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{skeletonv1parigot.Linux_ServiceDesc}}
}

// Boot serves skeleton.Linux.Boot.
func (p *LinuxPlugin) Boot(ctx context.Context, req *skeletonv1.GetRequest) (*skeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, skeletonv1parigot.Linux_Boot_FullName+" is not implemented")
}

// UnimplementedLinuxImpl serves skeleton.Linux.UnimplementedLinuxImpl.
func (p *LinuxPlugin) UnimplementedLinuxImpl(ctx context.Context, req *skeletonv1.GetRequest) (*skeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, skeletonv1parigot.Linux_UnimplementedLinuxImpl_FullName+" is not implemented")
}
