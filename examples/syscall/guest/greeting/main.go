//go:build wasip1

// Command greeting is a guest that serves greeting.v1.Greeting to other guests. It
// needs nothing of its host but the kernel. It ends when a guest asks all to end.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	greetingv1 "github.com/iansmith/parigot/examples/syscall/gen/greeting/v1"
	"github.com/iansmith/parigot/examples/syscall/gen/greeting/v1/greetingv1parigot"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func main() {
	err := greetingv1parigot.ServeGreeting(context.Background(), greeter{})
	if exit, ok := errors.AsType[*kernel.ExitError](err); ok {
		os.Exit(exit.Code) // whoever asked all to end was not content
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "greeting: %v\n", err)
		os.Exit(1)
	}
	fmt.Println("  greeting: ends")
}

// greeter implements the service.
type greeter struct{}

// Started is called when calls come.
func (greeter) Started(context.Context) { fmt.Println("  greeting: serves") }

var words = map[string]string{
	"en": "Hello", "fr": "Bonjour", "de": "Guten Tag", "es": "Buenos días", "it": "Buongiorno",
}

// Greet returns a greeting in the language that was asked for.
func (greeter) Greet(_ context.Context, req *greetingv1.GreetRequest) (*greetingv1.GreetResponse, error) {
	word, ok := words[req.GetLanguage()]
	switch {
	case !ok:
		return nil, status.Errorf(greetingv1.GreetingErr_UnknownLanguageError, "nobody here speaks %q", req.GetLanguage())
	case req.GetName() == "":
		return nil, status.Error(greetingv1.GreetingErr_NoNameError, "there is nobody to greet")
	}
	return &greetingv1.GreetResponse{Text: word + ", " + req.GetName() + "!"}, nil
}
