//go:build !wasip1

package guest

import (
	"unsafe"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Only guests have a host. On other platforms the package builds, so that its documentation
// is there, and what asks the host is UNIMPLEMENTED.
var noHost = int64(abi.Result(-int32(status.Unimplemented), 0))

func hostTake(unsafe.Pointer, uint32) int64         { return noHost }
func hostHeader(unsafe.Pointer, uint32)             {}
func hostAwait(int64, unsafe.Pointer, uint32) int64 { return noHost }
func hostCancel(uint32) int64                       { return noHost }
func hostRequest(unsafe.Pointer, uint32) int64      { return noHost }
func hostTimeLeft() int64                           { return 0 }
