package future

import "runtime"

// yield lets a goroutine begin that was just made.
func yield() { runtime.Gosched() }
