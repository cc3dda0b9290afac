package guest

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/iansmith/parigot/internal/abi"
)

//go:wasmimport parigot request
//go:noescape
func hostRequest(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot time_left
//go:noescape
func hostTimeLeft() int64

// served is what the guest serves to its host, or nil. The exports are in all guests: only
// those that offer something refer to what serves it.
var served exports

type exports interface {
	offers() uint64
	serve(call, method, header, size uint32, timeout time.Duration) uint64
	run(cancel uint32, timeout time.Duration) uint64
}

// Offer offers a service to the host: from then on the host may call its methods, with a
// typed client on the instance or on a pool. Generated functions Register… call it. A guest
// offers its services in its functions init, before the host asks for them. Offering what
// cannot be offered, a nil implementation or a method twice, ends the guest with the exit
// code 2.
//
// The host makes one call at a time, and the guest's other goroutines run only while the call
// waits. A method that may block has a goroutine for each of its calls, and other calls come
// meanwhile.
func Offer(s Service) {
	v, ok := served.(*server)
	if !ok {
		v = &server{request: hostRequest, log: os.Stderr, poll: &descriptor{fd: abi.Wanted}}
		v.elapsed = func() time.Duration { return v.allowed - time.Duration(hostTimeLeft()) }
		served = v
	}
	if err := v.offer(s); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "parigot: offer %s: %v\n", s.Name, err)
		os.Exit(2)
	}
}

//go:wasmexport parigot.offers
func exportOffers() uint64 {
	if served == nil {
		return 0
	}
	return served.offers()
}

//go:wasmexport parigot.serve
func exportServe(call, method, header, size uint32, timeoutNs int64) uint64 {
	if served == nil {
		return 0
	}
	return served.serve(call, method, header, size, time.Duration(timeoutNs))
}

//go:wasmexport parigot.run
func exportRun(cancel uint32, timeoutNs int64) uint64 {
	if served == nil {
		return 0
	}
	return served.run(cancel, time.Duration(timeoutNs))
}
