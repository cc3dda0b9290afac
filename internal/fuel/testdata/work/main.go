// Command work does the work that its first argument names, as often as its second
// says, and prints the nanoseconds it took.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

var works = map[string]func(n int) uint64{
	"loop": func(n int) (sum uint64) {
		for i := range uint64(n) * 1000 {
			sum = sum*31 ^ i
		}
		return sum
	},
	"fib": func(n int) (sum uint64) {
		for range n {
			sum += fib(20)
		}
		return sum
	},
	"sha256": func(n int) (sum uint64) {
		data := make([]byte, 1<<20)
		for range n {
			h := sha256.Sum256(data)
			copy(data, h[:])
			sum += uint64(h[0])
		}
		return sum
	},
	"json":  roundTrips(json.Marshal, json.Unmarshal),
	"sort":  sorts,
	"proto": protos,
}

func fib(n uint64) uint64 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

type record struct {
	Name   string
	Values []float64
	Labels map[string]string
	Inner  []record
}

func roundTrips(encode func(any) ([]byte, error), decode func([]byte, any) error) func(n int) uint64 {
	r := record{Name: "a name", Values: []float64{1, 2.5, 3e9}, Labels: map[string]string{"k": "v", "l": "w"}}
	r.Inner = []record{r, r}
	return func(n int) (sum uint64) {
		for range n {
			b, err := encode(r)
			must(err)
			must(decode(b, new(record)))
			sum += uint64(len(b))
		}
		return sum
	}
}

func protos(n int) (sum uint64) {
	s, err := structpb.NewStruct(map[string]any{"a": 1, "b": "text", "c": []any{1, "x", true}, "d": map[string]any{"e": nil}})
	must(err)
	for range n {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
		must(err)
		must(proto.Unmarshal(b, new(structpb.Struct)))
		sum += uint64(len(b))
	}
	return sum
}

func sorts(n int) (sum uint64) {
	values := make([]int, 1000)
	for i := range n {
		for j := range values {
			values[j] = (j*7919 + i) % 1009
		}
		sort.Ints(values)
		sum += uint64(values[1])
	}
	return sum
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	n, err := strconv.Atoi(os.Args[2])
	must(err)
	work := works[os.Args[1]]
	work(1)
	start := time.Now()
	work(n)
	fmt.Print(time.Since(start).Nanoseconds())
}
