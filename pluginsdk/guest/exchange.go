package guest

import (
	"unsafe"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/wirestatus"
)

// Receiver has room for the responses of [Exchange]. The zero value is ready. It is for one
// goroutine at a time.
type Receiver struct{ b buffer }

// Exchange calls an imported method with an encoded request, and returns the encoded
// response, which is good until the next call with r. The call may go on while other goroutines
// run; left is called before, when the host has the request. Package kernel calls it, for calls
// whose messages have others in them. Errors are those of [Call]. req must not change before
// left is called.
func Exchange(imp Import, req []byte, r *Receiver, left func()) ([]byte, error) {
	return host.exchange(imp, req, &r.b, left)
}

func (w *wire) exchange(imp Import, req []byte, receive *buffer, left func()) ([]byte, error) {
	p, body, err := w.exchangeLocked(imp, req, receive)
	left()
	if p == nil {
		breathe(len(req) + len(body)) // who serves calls that come all the time never waits
		return body, err
	}
	<-p.done
	return p.body, p.err
}

func (w *wire) exchangeLocked(imp Import, req []byte, receive *buffer) (*pendingCall, []byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	room := receive.room(firstResponse)
	code, n := abi.Split(uint64(imp(
		unsafe.Pointer(unsafe.SliceData(req)), uint32(len(req)),
		unsafe.Pointer(unsafe.SliceData(room)), uint32(len(room)))))
	if code == abi.Pending {
		return w.pend(&pendingCall{handle: n}), nil, nil
	}
	body, err := w.receive(n, receive)
	if err == nil && code != 0 {
		err = wirestatus.Decode(code, body)
	}
	if err != nil {
		return nil, nil, err
	}
	receive.used(len(body))
	return nil, body, nil
}
