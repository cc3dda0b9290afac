//go:build unix

package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// supported is nil where plugins can run in processes of their own.
var supported error

// inherited returns the socket that the process inherited as descriptor fd.
func inherited(fd uintptr, name string) (*net.UnixConn, error) {
	syscall.CloseOnExec(int(fd))
	return newConn(os.NewFile(fd, name))
}

// newConn makes a connection of a socket, and closes f.
func newConn(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("use descriptor %s: %w", f.Name(), err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("descriptor %s is no unix socket", f.Name()), c.Close())
	}
	return u, nil
}

// socketPair returns two sockets that are connected: one to use, and one for the plugin.
func socketPair(name string) (mine *net.UnixConn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, status.Wrap(status.ResourceExhausted, os.NewSyscallError("socketpair", err), "make sockets for the plugin")
	}
	theirs = os.NewFile(uintptr(fds[1]), name)
	mine, err = newConn(os.NewFile(uintptr(fds[0]), name))
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return mine, theirs, nil
}

// sendConnection hands a descriptor over, with a byte that means nothing.
func sendConnection(over *net.UnixConn, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		_, _, sent = over.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, sent)
}

// receiveConnection is the other side of sendConnection.
func receiveConnection(over *net.UnixConn) (*net.UnixConn, error) {
	var b [1]byte
	oob := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := over.ReadMsgUnix(b[:], oob)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, errors.New("a byte came without a descriptor")
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fds[0])
	return newConn(os.NewFile(uintptr(fds[0]), "connection"))
}
