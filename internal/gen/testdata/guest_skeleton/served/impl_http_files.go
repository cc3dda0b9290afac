package served

import (
	"context"

	guestskeletonv1 "github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1/guestskeletonv1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// HTTPFilesImpl implements the service guest_skeleton.HTTPFiles.
//
// HTTPFiles serves files.
type HTTPFilesImpl struct {
	guestskeletonv1parigot.UnimplementedHTTPFilesServer
}

var _ guestskeletonv1parigot.HTTPFilesServer = (*HTTPFilesImpl)(nil)

// Get serves guest_skeleton.HTTPFiles.Get.
//
// Get gets one.
func (i *HTTPFilesImpl) Get(ctx context.Context, req *guestskeletonv1.GetRequest) (*guestskeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, guestskeletonv1parigot.HTTPFiles_Get_FullName+" is not implemented")
}

// Purge serves guest_skeleton.HTTPFiles.Purge.
//
// Deprecated: the rpc guest_skeleton.HTTPFiles.Purge is marked as deprecated
// in guest_skeleton/a.proto.
func (i *HTTPFilesImpl) Purge(ctx context.Context, req *emptypb.Empty) (*emptypb.Empty, error) {
	return nil, status.Error(status.Unimplemented, guestskeletonv1parigot.HTTPFiles_Purge_FullName+" is not implemented")
}
