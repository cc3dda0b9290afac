//go:build wasip1

// Command hello is a guest that calls greeting.v1.Greeting, whoever serves it. It asks
// for greetings in five languages at once, makes a mistake on purpose, recognises
// its error, and asks all guests to end. It exits with 1 when anything is not as it
// should be.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	greetingv1 "github.com/iansmith/parigot/examples/syscall/gen/greeting/v1"
	"github.com/iansmith/parigot/examples/syscall/gen/greeting/v1/greetingv1parigot"
	"github.com/iansmith/parigot/pluginsdk/future"
	"github.com/iansmith/parigot/pluginsdk/guest/kernel"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var languages = []string{"en", "fr", "de", "es", "it"}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "hello: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	greeting, err := greetingv1parigot.LocateGreeting(ctx)
	if err != nil {
		return err
	}
	if err := greetAll(ctx, greeting); err != nil {
		return err
	}
	if err := askInKlingon(ctx, greeting); err != nil {
		return err
	}
	say("asks all guests to end")
	return kernel.Exit(ctx, 0)
}

// greetAll asks for all greetings before it waits for the first.
func greetAll(ctx context.Context, greeting greetingv1parigot.GreetingClient) error {
	say("asks for greetings in %d languages at once", len(languages))
	asked := make([]*future.Method[*greetingv1.GreetResponse, error], len(languages))
	for i, language := range languages {
		asked[i] = future.Go(ctx, greeting.Greet, &greetingv1.GreetRequest{Language: language, Name: "Ada"})
	}
	for i, language := range languages {
		resp, err := future.Await(ctx, asked[i])
		if err != nil {
			return fmt.Errorf("a greeting in %s: %w", language, err)
		}
		say("%s: %s", language, resp.GetText())
	}
	return nil
}

func askInKlingon(ctx context.Context, greeting greetingv1parigot.GreetingClient) error {
	_, err := greeting.Greet(ctx, &greetingv1.GreetRequest{Language: "tlh", Name: "Ada"})
	if !errors.Is(err, status.Of(greetingv1.GreetingErr_UnknownLanguageError)) {
		return fmt.Errorf("a greeting in Klingon: want %v, got %w", greetingv1.GreetingErr_UnknownLanguageError, err)
	}
	say("tlh: %v", err)
	return nil
}

func say(format string, args ...any) {
	fmt.Printf("  hello: "+format+"\n", args...)
}
