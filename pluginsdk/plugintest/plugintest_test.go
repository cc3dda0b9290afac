package plugintest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// tiny is a module whose function _start does nothing.
const tiny = "\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + // type 0: () -> ()
	"\x03\x02\x01\x00" + // function 0 is of type 0
	"\x07\x0a\x01\x06_start\x00\x00" +
	"\x0a\x04\x01\x02\x00\x0b"

// TestDocumented: the test in the package's documentation is one that runs.
func TestDocumented(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "plugintest.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	require.NoError(t, err)
	var documented strings.Builder
	for line := range strings.Lines(f.Doc.Text()) {
		if code, found := strings.CutPrefix(line, "\t"); found {
			documented.WriteString(code)
		}
	}
	text, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	f, err = parser.ParseFile(files, "example_test.go", text, 0)
	require.NoError(t, err)
	i := slices.IndexFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Name.Name == "TestGuest"
	})
	require.GreaterOrEqual(t, i, 0)
	from, to := files.Position(f.Decls[i].Pos()).Offset, files.Position(f.Decls[i].End()).Offset
	require.Equal(t, strings.ReplaceAll(string(text[from:to]), "../../examples/file/guest", "guest")+"\n", documented.String())
}

// TestHost: plugins start in their order with their configuration, log to the test, and are
// closed with it, last in, first out.
func TestHost(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	r.run(func() {
		h := plugintest.Host(r, named("first", nil), plugintest.With(named("second", nil), pluginsdk.WithConfig(wrapperspb.String("configured"))))
		code, err := plugintest.Guest(r, h, []byte(tiny)).Run(t.Context())
		require.NoError(t, err)
		require.Zero(t, code)
	})
	require.Empty(t, r.failures)
	require.Contains(t, r.log.String(), `msg="first starts" config=""`)
	require.Contains(t, r.log.String(), `msg="second starts" config=configured`)
	_, closed, _ := strings.Cut(r.log.String(), "second closes")
	require.Contains(t, closed, "first closes")
}

func TestHostThatFails(t *testing.T) {
	t.Parallel()
	refusal := pluginsdk.InitFunc(func(_ context.Context, e eng.Engine) bool {
		return pluginsdk.InitError(e, status.Error(status.FailedPrecondition, "no disk"))
	})
	for name, tt := range map[string]struct {
		plugins []pluginsdk.ParigotInit
		want    string
	}{
		"refuses":        {[]pluginsdk.ParigotInit{refusal}, "no disk"},
		"refuses inside": {[]pluginsdk.ParigotInit{plugintest.With(refusal)}, "no disk"},
		"nil":            {[]pluginsdk.ParigotInit{nil}, "the plugin is nil"},
		"closes badly":   {[]pluginsdk.ParigotInit{named("it", errors.New("disk is full"))}, "disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			r.run(func() { plugintest.Host(r, tt.plugins...) })
			require.Contains(t, strings.Join(r.failures, "\n"), tt.want)
		})
	}
}

func TestGuestThatFails(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"testdata/none":   "none",
		"testdata/broken": "undefined: nobody",
	} {
		r := &recorder{TB: t}
		r.run(func() { plugintest.Guest(r, plugintest.Engine(r), source) })
		require.Contains(t, strings.Join(r.failures, "\n"), want)
	}
	r := &recorder{TB: t}
	r.run(func() { plugintest.Guest(r, plugintest.Engine(r), []byte("no module")) })
	require.Contains(t, strings.Join(r.failures, "\n"), "compile guest")
}

// TestLateLog: what a plugin logs after the end of a test is nobody's.
func TestLateLog(t *testing.T) {
	t.Parallel()
	var h *eng.Host
	r := &recorder{TB: t}
	r.run(func() { h = plugintest.Engine(r) })
	before := r.log.Len()
	h.Logger().Error("late")
	require.Equal(t, before, r.log.Len())
}

// named is a plugin that logs what happens to it, and closes with an error.
func named(name string, closing error) pluginsdk.ParigotInit {
	return pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
		config := new(wrapperspb.StringValue)
		if err := pluginsdk.ReadConfig(ctx, config); err != nil {
			return pluginsdk.InitError(e, err)
		}
		e.Logger().Info(name+" starts", "config", config.Value)
		e.OnClose(func(context.Context) error {
			e.Logger().Info(name + " closes")
			return closing
		})
		return true
	})
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	log      bytes.Buffer
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()           {}
func (r *recorder) Output() io.Writer { return &r.log }
func (r *recorder) Cleanup(f func())  { r.cleanups = append(r.cleanups, f) }

// run runs a test to its end, or to its failure.
func (r *recorder) run(test func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test()
	}()
	<-done
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func TestOutput(t *testing.T) {
	t.Parallel()
	var o plugintest.Output
	require.Empty(t, o.String())
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			_, _ = o.Write([]byte("word "))
			_ = o.String()
		})
	}
	all.Wait()
	require.Equal(t, strings.Repeat("word ", 10), o.String())
}
