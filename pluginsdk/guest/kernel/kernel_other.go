//go:build !wasip1

package kernel

import (
	"unsafe"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// Only guests have a host. On other platforms the package builds, so that its documentation
// is there, and everything is UNIMPLEMENTED.

func importCall(unsafe.Pointer, uint32, unsafe.Pointer, uint32) int64 {
	unimplemented := abi.Result(-int32(status.Unimplemented), 0)
	return int64(unimplemented)
}

func importNext(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64 {
	return importCall(req, reqLen, resp, respCap)
}

func hostKernel() syscallpbparigot.SyscallClient {
	return syscallpbparigot.NewLocalSyscallClient(syscallpbparigot.UnimplementedSyscallServer{})
}
