package served

import (
	"context"

	guestskeletonv1 "github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1/guestskeletonv1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// LinuxImpl implements the service guest_skeleton.Linux.
type LinuxImpl struct{}

var _ guestskeletonv1parigot.LinuxServer = (*LinuxImpl)(nil)

// Init serves guest_skeleton.Linux.Init.
func (i *LinuxImpl) Init(ctx context.Context, req *guestskeletonv1.GetRequest) (*guestskeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, guestskeletonv1parigot.Linux_Init_FullName+" is not implemented")
}

// Describe serves guest_skeleton.Linux.Describe.
func (i *LinuxImpl) Describe(ctx context.Context, req *guestskeletonv1.GetRequest) (*guestskeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, guestskeletonv1parigot.Linux_Describe_FullName+" is not implemented")
}

// Started serves guest_skeleton.Linux.Started.
func (i *LinuxImpl) Started(ctx context.Context, req *guestskeletonv1.GetRequest) (*guestskeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, guestskeletonv1parigot.Linux_Started_FullName+" is not implemented")
}

// UnimplementedLinuxServer serves
// guest_skeleton.Linux.UnimplementedLinuxServer.
func (i *LinuxImpl) UnimplementedLinuxServer(ctx context.Context, req *guestskeletonv1.GetRequest) (*guestskeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, guestskeletonv1parigot.Linux_UnimplementedLinuxServer_FullName+" is not implemented")
}
