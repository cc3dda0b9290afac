// Command host reads lines and writes them as the filters that it is given have changed them:
//
//	host shout.wasm mask.wasm < text
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/iansmith/parigot/examples/filter"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "host:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, files []string, in io.Reader, out io.Writer) (err error) {
	host, err := eng.New(ctx)
	if err != nil {
		return err
	}
	filters := filter.New(host)
	defer func() { err = errors.Join(err, filters.Close(ctx), host.Close(ctx)) }()
	for _, file := range files {
		wasm, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := filters.Load(ctx, filepath.Base(file), wasm); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		text, err := filters.Apply(ctx, lines.Text())
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	return lines.Err()
}
