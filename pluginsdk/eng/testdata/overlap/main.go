//go:build wasip1

// A guest with calls that go on while it runs. It does what its first argument says.
package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/future"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

//go:wasmimport test.v1.Overlap Work
//go:noescape
func importWork(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

//go:wasmimport test.v1.Overlap Plain
//go:noescape
func importPlain(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

//go:wasmimport parigot await
//go:noescape
func await(timeoutNs int64, ptr unsafe.Pointer, size uint32) int64

//go:wasmimport parigot take
//go:noescape
func take(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
//go:noescape
func pollOneoff(in, out unsafe.Pointer, count uint32, n unsafe.Pointer) uint32

//go:wasmimport parigot cancel
func cancel(handle uint32) int64

var modes = map[string]func(args []string){
	"many":     many,
	"alive":    alive,
	"outcomes": outcomes,
	"cancel":   cancels,
	"async":    async,
	"busy":     busy,
	"raw":      raw,
	"full":     full,
	"bench":    bench,
	"hold":     hold,
	"leave":    func([]string) { begin("block"); os.Exit(3) },
	"panic":    func([]string) { begin("block"); panic("the guest's own fault") },
	"spin": func([]string) {
		begin("block")
		fmt.Println("spinning")
		for {
		}
	},
	"lines":    lines,
	"cat":      func([]string) { _, err := io.Copy(os.Stdout, os.Stdin); check(err) },
	"ignore":   func([]string) { _, _ = work(context.Background(), "ignore") },
	"only":     func([]string) { _, err := work(context.Background(), "sleep 30ms"); check(err) },
	"deadlock": func([]string) { _, err := work(context.Background(), "sleep 1ms"); check(err); select {} },
}

func main() { modes[os.Args[1]](os.Args[2:]) }

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// lines writes so many lines, and says on standard error which failed.
func lines(args []string) {
	n, err := strconv.Atoi(args[0])
	check(err)
	failed, first := 0, error(nil)
	for i := range n {
		if _, err := fmt.Println("line", i); err != nil {
			failed, first = failed+1, cmp.Or(first, err)
		}
	}
	fmt.Fprintln(os.Stderr, failed, "failed:", first)
}

func newResponse() proto.Message { return new(wrapperspb.BytesValue) }

var (
	methodWork  = guest.Method{Import: importWork, MayBlock: true, New: newResponse}
	methodPlain = guest.Method{Import: importPlain, MayBlock: true, New: newResponse} // which it may not
)

func callWork(ctx context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	return guest.Call[wrapperspb.BytesValue](ctx, guest.Client{}, &methodWork, req)
}

func callPlain(ctx context.Context, req *wrapperspb.BytesValue) (*wrapperspb.BytesValue, error) {
	return guest.Call[wrapperspb.BytesValue](ctx, guest.Client{}, &methodPlain, req)
}

func work(ctx context.Context, what string) (string, error) {
	resp, err := callWork(ctx, wrapperspb.Bytes([]byte(what)))
	return string(resp.GetValue()), err
}

func workAsync(ctx context.Context, what string) *future.Method[*wrapperspb.BytesValue, error] {
	return future.Go(ctx, callWork, wrapperspb.Bytes([]byte(what)))
}

// begin starts a call and returns while it is pending.
func begin(what string) { workAsync(context.Background(), what) }

// many makes so many calls at the same time, and prints how long all of them took.
// A second round is warm.
func many(args []string) {
	n, err := strconv.Atoi(args[0])
	check(err)
	for range 2 {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				got, err := work(context.Background(), args[1]+" "+strconv.Itoa(i))
				check(err)
				if !strings.HasSuffix(got, " "+strconv.Itoa(i)) {
					check(fmt.Errorf("call %d got the result %q", i, got))
				}
			})
		}
		wg.Wait()
		fmt.Println(time.Since(start).Microseconds())
	}
}

// alive counts what else happens while a call is pending.
func alive([]string) {
	done := make(chan struct{})
	go func() {
		_, err := work(context.Background(), "sleep 200ms")
		check(err)
		close(done)
	}()
	ping, pong := make(chan int), make(chan int)
	go func() {
		for n := range ping {
			pong <- n + 1
		}
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	ticks, sum := 0, 0
	for {
		select {
		case <-done:
			fmt.Println(ticks, sum)
			return
		case <-ticker.C:
			ticks++
			ping <- sum
			sum = <-pong
			_, err := plain("hello")
			check(err)
		}
	}
}

func plain(what string) (string, error) {
	resp, err := callPlain(context.Background(), wrapperspb.Bytes([]byte(what)))
	return string(resp.GetValue()), err
}

// outcomes prints what comes of calls that end in all ways, each pending.
func outcomes([]string) {
	for _, what := range []string{"late ok", "late fail", "late panic", "late goexit", "late secret"} {
		got, err := work(context.Background(), what)
		fmt.Printf("%s: %q %v\n", what, got, err)
	}
	for _, size := range []int{16 << 10, 100 << 10, 3 << 20} {
		got, err := work(context.Background(), "late size "+strconv.Itoa(size))
		check(err)
		fmt.Println(len(got), got == strings.Repeat("x", size))
	}
	got, err := work(context.Background(), "budget")
	check(err)
	fmt.Println(got)
	ctx, cancel := context.WithTimeout(guest.WithMetadata(context.Background(), "traceparent", "00-abc"), time.Minute)
	defer cancel()
	got, err = work(ctx, "budget")
	check(err)
	fmt.Println(got)
}

// cancels ends the contexts of pending calls.
func cancels([]string) {
	ctx, stop := context.WithCancel(context.Background())
	f := workAsync(ctx, "block")
	stop()
	_, err := future.Await(context.Background(), f)
	fmt.Println("cancelled:", errors.Is(err, context.Canceled), errors.Is(err, status.Of(status.Cancelled)))

	ctx, stop = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	_, err = work(ctx, "block")
	fmt.Println("deadline:", errors.Is(err, context.DeadlineExceeded))

	// One that does not watch its context keeps nobody waiting.
	ctx, stop = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	_, err = work(ctx, "ignore")
	fmt.Println("ignored:", errors.Is(err, context.DeadlineExceeded))

	f = workAsync(context.Background(), "block")
	f.Cancel()
	fmt.Println("future:", f.Cancelled(), f.Wait(context.Background()))
	got, err := work(context.Background(), "ended 4")
	check(err)
	fmt.Println(got)
}

// async uses the futures.
func async([]string) {
	ctx := context.Background()
	order := make(chan string, 10)
	a := workAsync(ctx, "late ok")
	a.Success(func(resp *wrapperspb.BytesValue) { order <- "handler " + string(resp.Value) })
	a.Failure(func(err error) { order <- "failed" })
	b := future.Then(workAsync(ctx, "late ok"), func(resp *wrapperspb.BytesValue) *future.Method[*wrapperspb.BytesValue, error] {
		return workAsync(ctx, string(resp.Value)+" again")
	})
	got, err := future.Await(ctx, b)
	check(err)
	fmt.Println(string(got.Value), <-order)
	c := future.Go(ctx, callPlain, wrapperspb.Bytes([]byte("plain")))
	fmt.Println("a plain call is complete:", c.Completed())
	c.Success(func(resp *wrapperspb.BytesValue) { fmt.Println("at once", string(resp.Value)) })
	_, err = future.Await(ctx, workAsync(ctx, "late fail"))
	fmt.Println(err)
}

// busy never rests while a call is pending.
func busy([]string) {
	done := false
	go func() {
		_, err := work(context.Background(), "sleep 20ms")
		check(err)
		done = true
	}()
	for !done {
		runtime.Gosched()
	}
	fmt.Println("done")
}

// raw uses the imports by hand, as they must not be used too.
func raw([]string) {
	buf := make([]byte, 4096)
	p := unsafe.Pointer(unsafe.SliceData(buf))
	wild := unsafe.Add(unsafe.Pointer(nil), 0xfffffff0)
	show := func(what string, result int64) uint32 {
		fmt.Println(what, int32(result>>32), uint32(result))
		return uint32(result)
	}
	start := func(what string) uint32 {
		copy(buf[2:], what)
		buf[0], buf[1] = 0x0a, byte(len(what))
		result := importWork(p, uint32(len(what)+2), p, 4096)
		if int32(result>>32) != -1<<31 {
			fmt.Println("not pending:", result)
		}
		return uint32(result)
	}
	release := func() {
		req := []byte("\x0a\x07release")
		importPlain(unsafe.Pointer(unsafe.SliceData(req)), uint32(len(req)), unsafe.Pointer(unsafe.SliceData(req)), uint32(len(req)))
	}
	fmt.Println(poll(7))
	show("nothing in flight:", await(-1, p, 4096))
	show("no such handle:", cancel(0))
	h := start("block")
	show("timeout:", await(int64(20*time.Millisecond), p, 4096))
	show("at once:", await(0, p, 4096))
	show("too small:", await(-1, p, 11))
	show("outside:", await(-1, wild, 4096))
	show("other handle:", cancel(h+1))
	show("cancel:", cancel(h))
	n := show("result:", await(-1, p, 4096))
	fmt.Println(u32(buf) == h, int32(u32(buf[4:])), u32(buf[8:])+12 == n)
	show("again:", cancel(h))
	show("empty:", await(-1, p, 4096))

	first := start("released size 100")
	release()
	fmt.Println(poll(1 << 30))
	second := start("released size 200")
	release()
	fmt.Println(first != h, second != first)
	show("parked:", await(-1, p, 12))
	fmt.Println(u32(buf) == first, u32(buf[8:]))
	show("take:", take(p, 4096))
	show("take again:", take(p, 4096))
	show("the other:", await(-1, p, 4096))
	fmt.Println(u32(buf) == second, u32(buf[8:]))
}

// poll waits until a descriptor can be read.
func poll(fd uint32) (n, errno uint32, result uint32) {
	sub, event := make([]byte, 48), make([]byte, 32)
	sub[8] = 1 // fd_read
	binary.LittleEndian.PutUint32(sub[16:], fd)
	result = pollOneoff(unsafe.Pointer(unsafe.SliceData(sub)), unsafe.Pointer(unsafe.SliceData(event)), 1, unsafe.Pointer(&n))
	return n, uint32(event[8]), result
}

func u32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// full has more calls pending than it may.
func full(args []string) {
	limit, err := strconv.Atoi(args[0])
	check(err)
	ctx, stop := context.WithCancel(context.Background())
	for range limit {
		workAsync(ctx, "block")
	}
	_, err = work(ctx, "ok")
	fmt.Println(err)
	stop()
	for {
		if _, err = work(context.Background(), "ok"); err == nil {
			fmt.Println("ok")
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// bench makes so many calls, one after the other, of one that is done at once or not.
func bench(args []string) {
	calls, err := strconv.Atoi(args[0])
	check(err)
	for range calls {
		_, err := work(context.Background(), args[1])
		check(err)
	}
}

// hold keeps so many calls pending until they are done. When they fail it waits to
// be stopped.
func hold(args []string) {
	n, err := strconv.Atoi(args[0])
	check(err)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := work(context.Background(), "gate"); err != nil {
				time.Sleep(24 * time.Hour)
			}
		})
	}
	wg.Wait()
}
