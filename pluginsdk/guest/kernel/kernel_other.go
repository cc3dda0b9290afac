//go:build !wasip1

package kernel

import "github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"

// hostKernel returns a kernel all of whose methods are UNIMPLEMENTED: only guests have a
// host. On other platforms the package builds, so that its documentation is there.
func hostKernel() syscallpbparigot.SyscallClient {
	return syscallpbparigot.NewLocalSyscallClient(syscallpbparigot.UnimplementedSyscallServer{})
}
