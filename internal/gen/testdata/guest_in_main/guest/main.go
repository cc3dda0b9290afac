//go:build wasip1

// Command guest is a guest in one package, as people write them.
package main

import (
	"context"

	greetingv1 "github.com/iansmith/parigot/internal/gen/testdata/guest_in_main/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/guest_in_main/v1/greetingv1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func main() { _ = greetingv1parigot.ServeGreeting(context.Background(), &greeter{}) }

type greeter struct {
	greetingv1parigot.UnimplementedGreetingServer
}

var _ greetingv1parigot.GreetingServer = (*greeter)(nil)

func (g *greeter) Greet(context.Context, *greetingv1.GreetRequest) (*greetingv1.GreetResponse, error) {
	return new(greetingv1.GreetResponse), nil
}

// Leave serves guest_in_main.Greeting.Leave.
//
// Leave says goodbye.
func (g *greeter) Leave(ctx context.Context, req *greetingv1.GreetRequest) (*greetingv1.GreetResponse, error) {
	return nil, status.Error(status.Unimplemented, greetingv1parigot.Greeting_Leave_FullName+" is not implemented")
}
