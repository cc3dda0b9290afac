package core

import (
	"context"

	"google.golang.org/protobuf/proto"
)

type configKey struct{}

// WithConfig returns the context of an Init with the plugin's configuration, which may be nil.
func WithConfig(ctx context.Context, config proto.Message) context.Context {
	return context.WithValue(ctx, configKey{}, config)
}

// ConfigOf returns the configuration that Init got with ctx, or nil. It is shared.
func ConfigOf(ctx context.Context) proto.Message {
	config, _ := ctx.Value(configKey{}).(proto.Message)
	return config
}

type offerKey struct{}

// WithOffer returns the context of an Init that may [Offer] a way to guests, which is then
// in into.
func WithOffer(ctx context.Context, into *Conn) context.Context {
	return context.WithValue(ctx, offerKey{}, into)
}

// Offer gives a way to guests to who started the plugin whose Init got ctx.
func Offer(ctx context.Context, c Conn) {
	if into, ok := ctx.Value(offerKey{}).(*Conn); ok {
		*into = c
	}
}

// Offered returns what was offered with ctx so far, or nil.
func Offered(ctx context.Context) Conn {
	if into, ok := ctx.Value(offerKey{}).(*Conn); ok {
		return *into
	}
	return nil
}
