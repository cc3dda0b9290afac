package kernel

import (
	"unsafe"

	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

//go:wasmimport syscall.v1.Syscall Call
//go:noescape
func importCall(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

//go:wasmimport syscall.v1.Syscall Next
//go:noescape
func importNext(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

// The kernel of the guest's host.
func hostKernel() syscallpbparigot.SyscallClient { return syscallpbparigot.NewSyscallClient() }
