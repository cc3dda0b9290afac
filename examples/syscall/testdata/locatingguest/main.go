//go:build wasip1

// Locatingguest calls one of the two methods of a service that another guest serves.
package main

import (
	"context"
	"fmt"

	kerneltestv1 "github.com/iansmith/parigot/examples/syscall/testdata/gen/kerneltest/v1"
	"github.com/iansmith/parigot/examples/syscall/testdata/gen/kerneltest/v1/kerneltestv1parigot"
)

func main() {
	ctx := context.Background()
	client, err := kerneltestv1parigot.LocateWorker(ctx)
	if err == nil {
		_, err = client.Hurry(ctx, new(kerneltestv1.DoRequest))
	}
	fmt.Println(err)
}
