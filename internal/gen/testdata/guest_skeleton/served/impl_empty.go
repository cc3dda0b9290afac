package served

import (
	"github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1/guestskeletonv1parigot"
)

// EmptyImpl implements the service guest_skeleton.Empty.
type EmptyImpl struct {
	guestskeletonv1parigot.UnimplementedEmptyServer
}

var _ guestskeletonv1parigot.EmptyServer = (*EmptyImpl)(nil)
