package guest

// Ended returns how many pending calls have ended, for [AwaitEnd].
func Ended() uint64 { return host.ends() }

// AwaitEnd waits until more pending calls have ended than n, so that there is room
// for another one: ask [Ended] for n before a call that may be RESOURCE_EXHAUSTED. It
// is false, at once, when no call is pending: then it was not these that took the
// room.
func AwaitEnd(n uint64) bool { return host.awaitEnd(n) }

// Goroutines returns how many goroutines the package has for itself: what
// [runtime.NumGoroutine] counts beside those of the program.
func Goroutines() int { return int(host.pumps.Load()) }
