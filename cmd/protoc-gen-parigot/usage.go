package main

import (
	"strings"

	"github.com/iansmith/parigot/internal/gen"
)

// usage returns the text of --help.
func usage() string {
	var b strings.Builder
	b.WriteString(usageHead)
	for _, p := range gen.Parameters() {
		b.WriteString("  " + p.Name + "\n      " + p.Help + "\n")
	}
	return b.String()
}

const usageHead = `Protoc-gen-parigot is a plugin of buf and protoc. It writes the Go code that lets
a WebAssembly guest call an implementation of a protobuf service in its host.

With buf, in buf.gen.yaml, beside protoc-gen-go:

  - local: protoc-gen-parigot
    out: gen
    opt: paths=source_relative

With protoc:

  protoc --parigot_out=gen --parigot_opt=paths=source_relative queue/v1/queue.proto

For queue/v1/queue.proto with the Go package queuev1 these files come out:

  queue/v1/queuev1parigot/queue_parigot.pb.go        QueueServer, names and ids, for all targets
  queue/v1/queuev1parigot/queue_host_parigot.pb.go   the client and RegisterQueue, for the host
  queue/v1/queuev1parigot/queue_guest_parigot.pb.go  the same, ServeQueue and LocateQueue, for guests (GOOS=wasip1)

and with impl=DIR only these, to be edited; later runs add missing methods:

  DIR/impl_queue.go      the implementation
  DIR/plugin/main.go     the plugin as a program, and as a Go plugin

and with guest_impl=DIR the same for a guest that serves:

  DIR/impl_queue.go      the implementation
  DIR/guest/main.go      the guest, a program

With buf, that takes an entry of its own:

  - local: protoc-gen-parigot
    out: .
    opt: impl=DIR
    strategy: all

Flags:
  --version   print the versions of the generator and of Parigot
  -h, --help  print this text

Parameters (opt in buf.gen.yaml, --parigot_opt of protoc), separated by commas:
`
