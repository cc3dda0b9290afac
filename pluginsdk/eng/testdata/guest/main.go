//go:build wasip1

// A guest that does what its first argument says, good or bad.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

//go:wasmimport test.v1.Test Echo
//go:noescape
func echo(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

//go:wasmimport parigot take
//go:noescape
func take(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot header
//go:noescape
func header(ptr unsafe.Pointer, size uint32)

var modes = map[string]func(args []string){
	"exit":     func([]string) { os.Exit(7) },
	"exit-max": func([]string) { os.Exit(-1) },
	"panic":    func([]string) { panic("the guest's own fault") },
	"spin": func([]string) {
		fmt.Println("spinning")
		for i := 0; ; i++ {
			sink = i
		}
	},
	"recurse": func([]string) { sink = recurse(1) },
	"deep": func(args []string) {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			panic(err)
		}
		sink = deep(n)
	},
	"grow": func([]string) {
		for {
			grown = append(grown, make([]byte, 1<<20))
		}
	},
	"sleep": func([]string) {
		fmt.Println("sleeping")
		time.Sleep(24 * time.Hour)
	},
	"world":    world,
	"echo":     echoes,
	"hostile":  hostile,
	"bench":    bench,
	"deadline": deadline,
	"files":    files,
}

var (
	sink  int
	grown [][]byte
)

//go:noinline
func deep(n int) int {
	if n == 0 {
		return 0
	}
	return deep(n-1) + 1
}

func recurse(n int) int {
	if n == 0 {
		return 0
	}
	var frame [64]int
	frame[n%64] = recurse(n + 1)
	return frame[(n+1)%64] + 1
}

func main() {
	modes[os.Args[1]](os.Args[2:])
}

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// world prints what the guest sees of the world.
func world(args []string) {
	fmt.Println("args", os.Args[0], strings.Join(args, ","))
	fmt.Println("env", strings.Join(os.Environ(), ","))
	_, err := os.ReadDir("/")
	fmt.Println("files", err)
	_, err = os.Create("x")
	fmt.Println("create", err)
	_, err = time.LoadLocation("Europe/Berlin")
	fmt.Println("zone", err)
	_, err = net.Dial("tcp", "127.0.0.1:80")
	fmt.Println("network", err != nil)
	start := time.Now()
	time.Sleep(time.Millisecond)
	fmt.Println("clock", time.Since(start) >= time.Millisecond, time.Now().Year() > 2024)
	fmt.Fprintln(os.Stderr, "to stderr")
}

// bench makes so many calls with so many bytes.
func bench(args []string) {
	calls, err := strconv.Atoi(args[0])
	check(err)
	size, err := strconv.Atoi(args[1])
	check(err)
	payload := make([]byte, size)
	for range calls {
		_, err := call(context.Background(), payload)
		check(err)
	}
}

func newResponse() proto.Message { return new(wrapperspb.BytesValue) }

var methodEcho = guest.Method{Import: echo, MayBlock: true, New: newResponse} // which it may not

func call(ctx context.Context, payload []byte) ([]byte, error) {
	resp, err := guest.Call[wrapperspb.BytesValue](ctx, guest.Client{}, &methodEcho, wrapperspb.Bytes(payload))
	return resp.GetValue(), err
}

// echoes sends payloads that fit the first response buffer and ones that do not,
// from several goroutines.
func echoes([]string) {
	errs := make(chan error)
	for g := range 4 {
		go func() {
			for _, size := range []int{0, 1, 4000, 4096, 5000, 300 << 10, 1200 << 10, 10} {
				payload := []byte(strings.Repeat(string(rune('a'+g)), size))
				got, err := call(context.Background(), payload)
				if err == nil && string(got) != string(payload) {
					err = fmt.Errorf("size %d: got %d bytes, or others", size, len(got))
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		check(<-errs)
	}
	_, err := call(context.Background(), []byte("fail"))
	if !errors.Is(err, status.Of(status.NotFound)) {
		check(fmt.Errorf("want NOT_FOUND, got %w", err))
	}
	fmt.Println("echoed")
}

// hostile calls with everything but what it should, and then as it should.
func hostile([]string) {
	wild := unsafe.Add(unsafe.Pointer(nil), 0xfffffff0)
	buf := make([]byte, 1024)
	p := unsafe.Pointer(unsafe.SliceData(buf))
	fmt.Println(
		code(echo(wild, 8, p, 1024)), code(echo(p, 0xffffffff, p, 1024)), code(echo(p, 1024, p, 1024)),
		code(echo(p, 0, wild, 1024)), code(take(wild, 16)), code(take(p, 1024)))
	header(wild, 8)
	_, err := call(context.Background(), []byte("ping"))
	fmt.Println("header outside:", errors.Is(err, status.Of(status.InvalidArgument)))
	copy(buf, "\x0a\x04fail")
	fmt.Println("parked:", code(echo(p, 6, p, 0)), code(take(wild, 1024)), code(take(p, 1)), code(take(p, 1024)), code(take(p, 1024)))
	got, err := call(context.Background(), []byte("ping"))
	check(err)
	fmt.Println("usable:", string(got))
}

func code(result int64) int32 { return int32(result >> 32) }

// deadline sends a deadline and metadata, and then lets the call take longer.
func deadline([]string) {
	ctx, cancel := context.WithTimeout(guest.WithMetadata(context.Background(), "traceparent", "00-abc"), time.Minute)
	defer cancel()
	got, err := call(ctx, []byte("context"))
	check(err)
	fmt.Println(string(got))
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = call(short, []byte("wait"))
	fmt.Println("waited:", errors.Is(err, context.DeadlineExceeded), errors.Is(err, status.Of(status.DeadlineExceeded)))
	_, err = call(short, []byte("context"))
	fmt.Println("ended before:", errors.Is(err, context.DeadlineExceeded))
	got, err = call(context.Background(), []byte("context"))
	check(err)
	fmt.Println(string(got))
}
