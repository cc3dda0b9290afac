//go:build !wasip1

package guest

// breathe is for guests: elsewhere goroutines are interrupted.
func breathe(int) {}
