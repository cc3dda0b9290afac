//go:build wasip1

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/served"
	"github.com/iansmith/parigot/internal/gen/testdata/guest_skeleton/v1/guestskeletonv1parigot"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
)

// main serves guest_skeleton.HTTPFiles, guest_skeleton.Linux and
// guest_skeleton.Empty to the other guests of the engine, until all guests are
// asked to end.
//
// To serve the host instead, replace both functions of this file by
//
//	func init() { guestskeletonv1parigot.RegisterHTTPFiles(&served.HTTPFilesImpl{}) }
//	func init() { guestskeletonv1parigot.RegisterLinux(&served.LinuxImpl{}) }
//	func init() { guestskeletonv1parigot.RegisterEmpty(&served.EmptyImpl{}) }
//
//	func main() {}
//
// and build the guest with -buildmode=c-shared.
func main() {
	ctx, ended := context.Background(), make(chan error)
	go func() { ended <- guestskeletonv1parigot.ServeHTTPFiles(ctx, &served.HTTPFilesImpl{}) }()
	go func() { ended <- guestskeletonv1parigot.ServeLinux(ctx, &served.LinuxImpl{}) }()
	go func() { ended <- guestskeletonv1parigot.ServeEmpty(ctx, &served.EmptyImpl{}) }()
	for range 3 {
		exit(<-ended)
	}
}

// exit ends the guest if serving failed, or if all guests were asked to end with an exit
// code.
func exit(err error) {
	if e, ok := errors.AsType[*kernel.ExitError](err); ok {
		os.Exit(e.Code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
