//go:build wasip1

// Command guest is a guest of the tests of parigot run.
//
//	guest serve         serve greetings, of which each is "two", and that of "held" is not given
//	                    before there is a file /shared/release
//	guest held          have a call of "held" under way until it is answered with "two", and others
//	                    answered by another instance meanwhile
//	guest until TEXT    call Greeting from many goroutines until a lot of answers are TEXT,
//	                    then exit with 0; each answer that is wrong ends it with 1
//	guest beside        the same, until there is a file /shared/stop
//	guest flood         write lines for ever
//	guest spin          loop for ever
//	guest recurse       call itself for ever
//	guest grow          use more and more memory
//	guest exit CODE     exit
//	guest fail TEXT     write TEXT to standard error and exit with 2
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	greetingv1 "github.com/iansmith/parigot/examples/syscall/gen/greeting/v1"
	"github.com/iansmith/parigot/examples/syscall/gen/greeting/v1/greetingv1parigot"
)

func main() {
	var err error
	switch os.Args[1] {
	case "serve":
		err = greetingv1parigot.ServeGreeting(context.Background(), greeter{})
	case "held":
		err = held()
	case "until":
		var seen atomic.Int64
		err = call(func(text string) bool { return text == os.Args[2] && seen.Add(1) > 200 })
	case "beside":
		err = call(func(string) bool { return exists("/shared/stop") })
	case "flood":
		for i := 0; ; i++ {
			fmt.Println("line", i)
		}
	case "spin":
		for i := 0; ; i++ {
			sink += i
		}
	case "recurse":
		sink = recurse(1)
	case "grow":
		for kept := [][]byte{}; ; {
			kept = append(kept, make([]byte, 1<<20))
			sink = len(kept)
		}
	case "fill":
		_ = os.WriteFile(fmt.Sprint("/shared/", time.Now().UnixNano()), make([]byte, 600_000), 0o600) // it says it does not fit
		os.Exit(2)
	case "fail":
		fmt.Fprintln(os.Stderr, os.Args[2])
		os.Exit(2)
	case "exit":
		var code int
		code, err = strconv.Atoi(os.Args[2])
		fmt.Print("no end of this line")
		if err == nil {
			os.Exit(code)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var sink int

//go:noinline
func recurse(n int) int { return recurse(n+1) + n }

type greeter struct{}

func (greeter) Greet(_ context.Context, req *greetingv1.GreetRequest) (*greetingv1.GreetResponse, error) {
	if req.GetName() == "held" {
		fmt.Println("a call is held")
		for !exists("/shared/release") {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return &greetingv1.GreetResponse{Text: "two"}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// held has a call under way while others are answered, by those who serve then.
func held() error {
	greeting, err := greetingv1parigot.LocateGreeting(context.Background())
	if err != nil {
		return err
	}
	ended := make(chan error)
	go func() {
		resp, err := greeting.Greet(context.Background(), &greetingv1.GreetRequest{Language: "en", Name: "held"})
		fmt.Printf("the held call got %q\n", resp.GetText())
		ended <- err
	}()
	for seen := false; ; {
		resp, err := greeting.Greet(context.Background(), &greetingv1.GreetRequest{Language: "en", Name: "Ada"})
		if err != nil {
			return err
		}
		if !seen && resp.GetText() != "two" {
			seen = true
			fmt.Println("another instance answers")
		}
		select {
		case err := <-ended:
			return err
		default:
		}
	}
}

const callers = 8

// call calls from many goroutines until enough says that an answer was the last one
// that is needed.
func call(enough func(text string) bool) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	greeting, err := greetingv1parigot.LocateGreeting(ctx)
	if err != nil {
		return err
	}
	var answers atomic.Int64
	ended := make(chan error, callers)
	for i := range callers {
		name := fmt.Sprintf("Ada %d", i)
		go func() {
			for {
				resp, err := greeting.Greet(context.Background(), &greetingv1.GreetRequest{Language: "en", Name: name})
				switch text := resp.GetText(); {
				case err != nil:
					ended <- fmt.Errorf("a call failed: %w", err)
					return
				case text != "Hello, "+name+"!" && text != "two":
					ended <- fmt.Errorf("a wrong answer: %q", text)
					return
				case enough(text) || ctx.Err() != nil:
					ended <- nil
					return
				}
				if answers.Add(1) == 100 {
					fmt.Println("a hundred answers were right")
				}
			}
		}()
	}
	for range callers {
		err = errors.Join(err, <-ended)
		cancel()
	}
	fmt.Printf("all of %d answers were right\n", answers.Load())
	return err
}
