package guest

import (
	"time"
	"unsafe"
)

//go:wasmimport parigot take
//go:noescape
func hostTake(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot header
//go:noescape
func hostHeader(ptr unsafe.Pointer, size uint32)

//go:wasmimport parigot await
//go:noescape
func hostAwait(timeoutNs int64, ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot cancel
func hostCancel(handle uint32) int64

//go:wasmimport parigot request
//go:noescape
func hostRequest(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot time_left
//go:noescape
func hostTimeLeft() int64

//go:wasmexport parigot.offers
func exportOffers() uint64 { //nolint:unused // the host calls it
	if served == nil {
		return 0
	}
	return served.offers()
}

//go:wasmexport parigot.serve
func exportServe(call, method, header, size uint32, timeoutNs int64) uint64 { //nolint:unused // the host calls it
	if served == nil {
		return 0
	}
	return served.serve(call, method, header, size, time.Duration(timeoutNs))
}

//go:wasmexport parigot.run
func exportRun(cancel uint32, timeoutNs int64) uint64 { //nolint:unused // the host calls it
	if served == nil {
		return 0
	}
	return served.run(cancel, time.Duration(timeoutNs))
}
