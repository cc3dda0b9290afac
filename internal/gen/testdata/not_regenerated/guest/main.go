//go:build wasip1

// This program calls each method of code that an earlier generator wrote.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/iansmith/parigot/internal/gen/testdata/not_regenerated/kv"
	"github.com/iansmith/parigot/internal/gen/testdata/not_regenerated/kv/kvparigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func main() {
	ctx := context.Background()
	store := kvparigot.NewStoreClient()
	_, err := store.Get(ctx, &kv.GetRequest{Key: "colour"})
	fmt.Println("no key:", errors.Is(err, status.Of(kv.StoreErr_STORE_ERR_NO_KEY)))

	put, err := store.Put(ctx, &kv.PutRequest{Key: "colour", Value: "red"})
	check(err)
	fmt.Println("put:", kvparigot.EntryIdFromProto(put.GetId()))

	got, err := store.Get(ctx, &kv.GetRequest{Key: "colour"})
	check(err)
	fmt.Println("got:", got.GetValue())

	_, err = store.Clear(ctx, &kv.ClearRequest{})
	fmt.Println("clear:", errors.Is(err, status.Of(status.Unimplemented)))
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
