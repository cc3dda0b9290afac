//go:build !cgo && !wasip1

package crash

import "github.com/iansmith/parigot/pluginsdk/status"

// segv says that there is no C.
func segv() error { return status.Error(status.Unimplemented, "it was built without cgo") }
