package pluginsdk

import (
	"context"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/metadata"
)

// Source tells what kind of code a context was made for.
type Source string

// ServerGo is the source of every context that an implementation of a plugin
// gets: native Go code that serves a call.
const ServerGo Source = "ServerGo"

// ManufactureHostContext returns a context for the function funcName with the
// source [ServerGo]; [FuncName] and [ContextSource] read them back. Each call has one;
// call it yourself to call an implementation's code without one, in a test say.
func ManufactureHostContext(ctx context.Context, funcName string) context.Context {
	return core.NewContext(ctx, funcName)
}

// FuncName returns the full name of the method that ctx was made for, such as
// "file.v1.File.Open", or "" when there is none.
func FuncName(ctx context.Context) string { return core.NameOf(ctx) }

// ContextSource returns [ServerGo] for the context of a call and what descends
// from it, and "" for others.
func ContextSource(ctx context.Context) Source {
	if core.FromContext(ctx) != nil {
		return ServerGo
	}
	return ""
}

// Metadata returns what the caller sent beside the request, such as
// "traceparent". It is nil when there is none. It comes from the guest: treat it
// as hostile, and do not change it.
func Metadata(ctx context.Context) map[string]string { return metadata.Of(ctx) }

// WithMetadata returns a context whose calls send key and value beside their requests, and
// all that is in [Metadata] of ctx. Keys are in lower case. A key that ctx has already gets
// the new value.
func WithMetadata(ctx context.Context, key, value string) context.Context {
	return metadata.With(ctx, key, value)
}
