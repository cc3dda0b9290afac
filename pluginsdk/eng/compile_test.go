package eng

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// only returns a module with one function of type 0, out of types. Global 0 is an i32.
func only(types, body string) []byte {
	body += "\x0b"
	return []byte(preamble + sectionOf(1, types) + sectionOf(3, "\x01\x00") + sectionOf(4, "\x01\x70\x00\x01") +
		sectionOf(5, "\x01\x00\x01") + sectionOf(6, "\x01\x7f\x01\x41\x00\x0b") + sectionOf(10, "\x01"+uleb(uint64(len(body)))+body))
}

const (
	noType  = "\x01\x60\x00\x00"         // () -> ()
	intType = "\x01\x60\x01\x7f\x00"     // (i32) -> ()
	getInt  = "\x20\x00"                 // local.get 0
	load    = "\x20\x00\x28\x02\x00"     // i32.load of it
	ifInt   = "\x20\x00\x04\x40"         // if of it
	again   = "\x03\x40\x20\x00\x0d\x00" // loop while it
)

// wide returns types: () -> (), and n parameters to n results.
func wide(n int) string {
	values := uleb(uint64(n)) + strings.Repeat("\x7f", n)
	return "\x02\x60\x00\x00\x60" + values + values
}

// each repeats what is made for each of n numbers.
func each(n int, f func(i uint64) string) string {
	var b strings.Builder
	for i := range uint64(n) {
		b.WriteString(f(i))
	}
	return b.String()
}

func times(n int, s string) string { return strings.Repeat(s, n) }

// setLocal adds 1 to local variable i.
func setLocal(i uint64) string { return "\x20" + uleb(i) + "\x41\x01\x6a\x21" + uleb(i) }

// named is a name of n bytes.
func named(n int) string { return uleb(uint64(n)) + times(n, "x") }

// bombs are modules, of some hundred kilobytes most of them, that take the compiler many
// seconds, or much memory, by the limit that they are over.
var bombs = map[string]map[string]func() []byte{
	"MaxFunctionWork": {
		"nested blocks":   func() []byte { return only(noType, "\x00"+times(40_000, "\x02\x40")+times(40_000, "\x0b")) },
		"nested loops":    func() []byte { return only(noType, "\x00"+times(40_000, "\x03\x40")+times(40_000, "\x0b")) },
		"nested ifs":      func() []byte { return only(intType, "\x00"+times(40_000, ifInt)+times(40_000, "\x05\x0b")) },
		"blocks in a row": func() []byte { return only(noType, "\x00"+times(80_000, "\x02\x40\x0b")) },
		"branches out":    func() []byte { return only(intType, "\x00\x02\x40"+times(40_000, getInt+"\x0d\x00")+"\x0b") },
		"a table of branches": func() []byte {
			return only(intType, "\x00\x02\x40"+getInt+"\x0e"+uleb(140_000)+times(140_001, "\x00")+"\x0b")
		},
		"blocks with parameters": func() []byte {
			return only(wide(400), "\x00"+times(400, "\x41\x00")+times(4000, "\x02\x01\x0b")+times(400, "\x1a"))
		},
		"loops with parameters": func() []byte {
			return only(wide(400), "\x00"+times(400, "\x41\x00")+times(400, "\x03\x01")+times(400, "\x23\x00\x0d\x00\x0b")+times(400, "\x1a"))
		},
		"values beyond blocks": func() []byte {
			return only(intType, "\x00"+times(4000, load)+times(4000, ifInt+"\x0b")+times(4000, "\x1a"))
		},
		"variables beyond blocks": func() []byte {
			use := each(4000, func(i uint64) string { return "\x20" + uleb(i+1) + "\x24\x00" })
			return only(intType, "\x01"+uleb(4000)+"\x7f"+times(4000, again+"\x0b")+use)
		},
		"variables in nested loops": func() []byte {
			return only(intType, "\x01"+uleb(600)+"\x7f"+times(600, "\x03\x40")+each(601, setLocal)+times(600, getInt+"\x0d\x00\x0b"))
		},
		"calls with results": func() []byte {
			body := "\x00" + times(4000, "\x10\x01") + "\x00\x0b"
			return []byte(preamble + sectionOf(1, "\x02\x60\x00\x00\x60\x00"+uleb(1000)+times(1000, "\x7f")) + sectionOf(3, "\x02\x00\x01") +
				sectionOf(10, "\x02"+uleb(uint64(len(body)))+body+"\x03\x00\x00\x0b"))
		},
		"memory.fill": func() []byte { return only(noType, "\x00"+times(8000, "\x41\x00\x41\x00\x41\x00\xfc\x0b\x00")) },
	},
	"MaxWork": {
		"functions of many blocks": func() []byte {
			body := "\x00" + times(6000, "\x02\x40\x0b") + "\x0b"
			return []byte(preamble + sectionOf(1, noType) + sectionOf(3, uleb(100)+times(100, "\x00")) +
				sectionOf(10, uleb(100)+times(100, uleb(uint64(len(body)))+body)))
		},
		"imports of many parameters": func() []byte {
			return []byte(preamble + sectionOf(1, "\x01\x60"+uleb(MaxValues)+times(MaxValues, "\x7f")+"\x00") +
				sectionOf(2, uleb(MaxImports)+times(MaxImports, "\x01m\x01f\x00\x00")))
		},
		"functions and exports": func() []byte {
			return []byte(preamble + sectionOf(1, noType) + sectionOf(3, uleb(MaxFunctions)+times(MaxFunctions, "\x00")) +
				sectionOf(7, uleb(MaxExports)+each(MaxExports, func(i uint64) string { return "\x05" + strconv.Itoa(int(i+10_000)) + "\x00\x00" })) +
				sectionOf(10, uleb(MaxFunctions)+times(MaxFunctions, "\x02\x00\x0b")))
		},
	},
	"compile_memory": {
		"calls of a table": func() []byte { return only(intType, "\x00"+times(60_000, getInt+"\x41\x00\x11\x00\x00")) },
		"much code":        func() []byte { return only(noType, "\x00"+times(3<<20, "\x41\x00\x1a")) },
		"segments":         func() []byte { return []byte(preamble + sectionOf(11, uleb(70_000)+times(70_000, "\x01\x00"))) },
		"a custom section": func() []byte { return []byte(preamble + sectionOf(0, "\x01x"+times(17<<20, "x"))) },
		"elements": func() []byte {
			return []byte(preamble + sectionOf(1, noType) + sectionOf(3, "\x01\x00") + sectionOf(9, "\x01\x01\x00"+uleb(1<<20)+times(1<<20, "\x00")) +
				sectionOf(10, "\x01\x02\x00\x0b"))
		},
		"divisions": func() []byte { return only(intType, "\x00"+getInt+times(200_000, getInt+"\x6d")+"\x1a") },
	},
	"MaxImports": {"imports": func() []byte {
		return []byte(preamble + sectionOf(1, noType) + sectionOf(2, uleb(20_000)+each(20_000, func(i uint64) string {
			return "\x01m" + uleb(uint64(len(strconv.Itoa(int(i))))) + strconv.Itoa(int(i)) + "\x00\x00"
		})))
	}},
	"MaxValues": {"parameters": func() []byte { return only(wide(2000), "\x00") }},
	"MaxTypeValues": {"types": func() []byte {
		return []byte(preamble + sectionOf(1, uleb(100)+times(100, "\x60"+uleb(900)+times(900, "\x7f")+"\x00")))
	}},
	"MaxTables": {"tables": func() []byte {
		return []byte(preamble + sectionOf(4, uleb(MaxTables+1)+times(MaxTables+1, "\x70\x00\x00")))
	}},
	"MaxTypes": {"types": func() []byte {
		return []byte(preamble + sectionOf(1, uleb(MaxTypes+1)+times(MaxTypes+1, "\x60\x00\x00")))
	}},
	"MaxFunctions": {"functions": func() []byte {
		return []byte(preamble + sectionOf(1, noType) + sectionOf(3, uleb(MaxFunctions+1)+times(MaxFunctions+1, "\x00")) +
			sectionOf(10, uleb(MaxFunctions+1)+times(MaxFunctions+1, "\x02\x00\x0b")))
	}},
	"MaxGlobals": {"globals": func() []byte {
		return []byte(preamble + sectionOf(6, uleb(MaxGlobals+1)+times(MaxGlobals+1, "\x7f\x01\x41\x00\x0b")))
	}},
	"MaxExports": {"exports": func() []byte {
		return []byte(preamble + sectionOf(5, "\x01\x00\x01") + sectionOf(7, uleb(MaxExports+1)+each(MaxExports+1, func(i uint64) string { return "\x05" + strconv.Itoa(int(i+10_000)) + "\x02\x00" })))
	}},
	"MaxName": {
		"import": func() []byte {
			return []byte(preamble + sectionOf(1, noType) + sectionOf(2, "\x01\x01m"+named(MaxName+1)+"\x00\x00"))
		},
		"module of an import": func() []byte {
			return []byte(preamble + sectionOf(1, noType) + sectionOf(2, "\x01"+named(MaxName+1)+"\x01f\x00\x00"))
		},
		"export": func() []byte {
			return []byte(preamble + sectionOf(5, "\x01\x00\x01") + sectionOf(7, "\x01"+named(MaxName+1)+"\x02\x00"))
		},
		"custom section": func() []byte { return []byte(preamble + sectionOf(0, named(MaxName+1))) },
	},
	"MaxSegments": {"elements": func() []byte {
		return []byte(preamble + sectionOf(4, "\x01\x70\x00\x01") + sectionOf(9, uleb(MaxSegments+1)+times(MaxSegments+1, "\x00\x41\x00\x0b\x00")))
	}},
}

// TestBombs: what takes the compiler longer than its size lets expect is refused with the
// name of a limit, before it is compiled.
func TestBombs(t *testing.T) {
	t.Parallel()
	for limit, modules := range bombs {
		opts := []Option{WithLogger(slog.New(slog.DiscardHandler))}
		if limit == "compile_memory" {
			opts = append(opts, WithCompileMemory(64<<20))
		}
		h, err := New(t.Context(), opts...)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
		for name, module := range modules {
			t.Run(limit+"/"+name, func(t *testing.T) {
				t.Parallel()
				_, err := h.Compile(t.Context(), "bomb", module())
				require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
				require.ErrorContains(t, err, limit)
			})
		}
	}
}

// slowModule takes the compiler as long as a module may: about a second.
func slowModule() []byte { return only(noType, "\x00"+times(3000, "\x03\x40")+times(3000, "\x0b")) }

// TestCompileEndsWithItsContext: neither it nor Close waits for the compiler.
func TestCompileEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	// Nothing can be compiled until the memory for it is given back.
	require.NoError(t, h.compileMemory.Acquire(t.Context(), DefaultCompileMemory))
	ctx, cancel := context.WithCancel(t.Context())
	canceled, closed := make(chan error), make(chan error)
	go func() { _, err := h.Compile(ctx, "canceled", slowModule()); canceled <- err }()
	go func() { _, err := h.Compile(context.Background(), "closed", only(noType, "\x00")); closed <- err }()
	cancel()
	require.ErrorIs(t, <-canceled, context.Canceled)
	h.compileMemory.Release(DefaultCompileMemory)
	require.NoError(t, func() error { _, err := h.Compile(t.Context(), "other", only(intType, "\x00")); return err }())

	key := programKey{trusted: true, pages: 1}
	work, err := h.join(t.Context(), key, slowModule())
	require.NoError(t, err)
	require.NoError(t, h.Close(t.Context()))
	if err := <-closed; err != nil {
		require.ErrorIs(t, err, status.Of(status.Unavailable))
	}
	<-work.done
	h.desert(key, work)
	require.ErrorIs(t, work.err, status.Of(status.Unavailable))
}

// TestCompileForSeveral: who gives up does not take the guest from who waits for the same.
func TestCompileForSeveral(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	key := programKey{pages: 1}
	first, err := h.join(t.Context(), key, only(noType, "\x00"))
	require.NoError(t, err)
	second, err := h.join(t.Context(), key, only(noType, "\x00"))
	require.NoError(t, err)
	require.Same(t, first, second)
	h.desert(key, first)
	<-second.done
	require.NoError(t, second.err)
	h.desert(key, second)
	require.Empty(t, h.compiling)
}

// TestCompileWaitsForMemory: a module costs no memory while others have all there is for
// compilers, and gives back all that it had.
func TestCompileWaitsForMemory(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	require.NoError(t, h.compileMemory.Acquire(t.Context(), DefaultCompileMemory))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = h.compile(ctx, programKey{pages: 1}, []byte("no module"))
	require.ErrorIs(t, err, context.DeadlineExceeded, "it is not read")
	h.compileMemory.Release(DefaultCompileMemory)

	_, err = h.prepare(ctx, programKey{pages: 1}, only(noType, "\x00"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	for _, module := range [][]byte{
		only(noType, "\x00"), // takes less than is expected
		only(intType, "\x00"+getInt+times(1000, getInt+"\x6d")+"\x1a"),    // takes more
		only(intType, "\x00"+getInt+times(200_000, getInt+"\x6d")+"\x1a"), // takes too much
		[]byte("no module"),
	} {
		_, _ = h.compile(t.Context(), programKey{pages: 1}, module)
		require.True(t, h.compileMemory.TryAcquire(DefaultCompileMemory))
		h.compileMemory.Release(DefaultCompileMemory)
	}
}

// TestCompileTwice: of two compilations of a module the engine keeps one.
func TestCompileTwice(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	key := programKey{pages: 1}
	first, err := h.compile(t.Context(), key, only(noType, "\x00"))
	require.NoError(t, err)
	second, err := h.compile(t.Context(), key, only(noType, "\x00"))
	require.NoError(t, err)
	require.Same(t, first, second)
}
