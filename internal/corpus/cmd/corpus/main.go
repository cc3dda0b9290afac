// Corpus generates code for the services of published modules, compiles it, and
// prints a scoreboard. Run it in internal/corpus; with the build tag corpusfull
// for all modules.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/corpus"
)

func main() {
	root := flag.String("root", "../..", "the directory of the generator's module")
	nth := flag.Int("vet", 10, "run go vet on one package in so many, 0 for none")
	request := flag.String("request", "", "only write the request of all files to this file, without its parameter, as standard input of a protoc plugin")
	flag.Parse()
	if err := run(*root, *nth, *request); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(root string, nth int, request string) error {
	if request != "" {
		return writeRequest(request)
	}
	board, err := corpus.Run(context.Background(), root, nth)
	if err != nil {
		return err
	}
	fmt.Print(board)
	if board.Total.Failed > 0 {
		return fmt.Errorf("%d failures", board.Total.Failed)
	}
	return nil
}

// writeRequest writes a request for those files that the generator takes.
func writeRequest(name string) error {
	c, err := corpus.Load()
	if err != nil {
		return err
	}
	output, err := c.Generate()
	if err != nil {
		return err
	}
	wire, err := proto.Marshal(c.Request(output.Generated, "", false))
	if err != nil {
		return err
	}
	return os.WriteFile(name, wire, 0o600)
}
