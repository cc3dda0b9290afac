//go:build !unix

package process

import (
	"net"
	"os"
	"runtime"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// supported is nil where plugins can run in processes of their own.
var supported = status.Errorf(status.Unimplemented,
	"plugins in processes of their own need a unix system, and this is %s: link the plugin into the host", runtime.GOOS)

func inherited(uintptr, string) (*net.UnixConn, error)       { return nil, supported }
func socketPair(string) (*net.UnixConn, *os.File, error)     { return nil, nil, supported }
func sendConnection(*net.UnixConn, *os.File) error           { return supported }
func receiveConnection(*net.UnixConn) (*net.UnixConn, error) { return nil, supported }
