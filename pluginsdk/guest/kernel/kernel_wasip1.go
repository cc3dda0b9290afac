package kernel

import "github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"

// hostKernel returns the kernel of the guest's host.
func hostKernel() syscallpbparigot.SyscallClient { return syscallpbparigot.NewSyscallClient() }
