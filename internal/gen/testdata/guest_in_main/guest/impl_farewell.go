//go:build wasip1

package main

import (
	"context"

	greetingv1 "github.com/iansmith/parigot/internal/gen/testdata/guest_in_main/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/guest_in_main/v1/greetingv1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// FarewellImpl implements the service guest_in_main.Farewell.
type FarewellImpl struct {
	greetingv1parigot.UnimplementedFarewellServer
}

var _ greetingv1parigot.FarewellServer = (*FarewellImpl)(nil)

// Leave serves guest_in_main.Farewell.Leave.
func (i *FarewellImpl) Leave(ctx context.Context, req *greetingv1.GreetRequest) (*greetingv1.GreetResponse, error) {
	return nil, status.Error(status.Unimplemented, greetingv1parigot.Farewell_Leave_FullName+" is not implemented")
}
