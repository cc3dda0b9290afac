// Package guest is the guest's side of Parigot: what generated clients stand on.
// A guest is a Go program built with GOOS=wasip1 GOARCH=wasm.
//
// Code that calls services needs of this package at most [WithMetadata] and [Borrowed]:
//
//	files := filev1parigot.NewFileClient()
//	resp, err := files.Open(ctx, &filev1.OpenRequest{Path: "/parigot/app/a.txt"})
//
// The host gets the deadline of ctx. What comes back as err is a
// [github.com/iansmith/parigot/pluginsdk/status.Status]; ask it with [errors.Is] and
// [github.com/iansmith/parigot/pluginsdk/status.Of].
//
// A call of a method that may block stops the goroutine that makes it and no other. To go on
// meanwhile, use [github.com/iansmith/parigot/pluginsdk/future.Go].
// In a library, goroutines run while one of its exports does.
package guest

import (
	"context"

	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

// IsAtLeastVersion0_1_0 is asserted by the code that protoc-gen-parigot of that
// version generates.
const IsAtLeastVersion0_1_0 = true

// WithMetadata returns a context whose calls send key and value beside their
// requests, such as a "traceparent". Keys are in lower case. A key that ctx has
// already gets the new value. The host bounds all metadata of a call to 64 KiB.
func WithMetadata(ctx context.Context, key, value string) context.Context {
	return metadata.With(ctx, key, value)
}

// Metadata returns what calls with ctx send beside their requests. In a method that
// the guest serves that is what its own caller sent, unless [WithMetadata] added to
// it: so it is passed on. It is nil when there is none. What a caller sent is
// hostile. Do not change it.
func Metadata(ctx context.Context) map[string]string {
	return metadata.Of(ctx)
}

// headerOf returns what the host has to know of ctx, or nil when that is nothing.
func headerOf(ctx context.Context) *parigotpb.CallHeader {
	deadline, ok := ctx.Deadline()
	sent := Metadata(ctx)
	if !ok && sent == nil {
		return nil
	}
	h := &parigotpb.CallHeader{Metadata: sent}
	if ok {
		h.TimeoutNs = int64(untilAtLeast1ns(deadline))
	}
	return h
}
