// Package metadata carries what callers send beside their requests, such as a
// "traceparent", in contexts. Hosts and guests use the same.
package metadata

import (
	"context"
	"maps"
)

// Key is the key of the metadata in a context, for types that are contexts themselves. The
// value is a map[string]string.
type Key struct{}

// Of returns the metadata of ctx, or nil when there is none. It must not be changed.
func Of(ctx context.Context) map[string]string {
	m, _ := ctx.Value(Key{}).(map[string]string)
	return m
}

// With returns a context with the metadata of ctx and value under key.
func With(ctx context.Context, key, value string) context.Context {
	m := maps.Clone(Of(ctx))
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return Replace(ctx, m)
}

// Replace returns a context with the metadata m and no other. It keeps m.
func Replace(ctx context.Context, m map[string]string) context.Context {
	return context.WithValue(ctx, Key{}, m)
}
