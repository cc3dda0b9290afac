//go:build cgo && !wasip1

package crash

// static void segv(void) { *(volatile int *)0 = 1; }
import "C"

func segv() error {
	C.segv()
	return nil
}
