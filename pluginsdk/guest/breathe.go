//go:build !wasip1

package guest

// breathe is for guests: elsewhere goroutines are interrupted.
func breathe(int) {}

// fits is for guests, too: elsewhere memory is not limited.
func fits(int) bool { return true }
