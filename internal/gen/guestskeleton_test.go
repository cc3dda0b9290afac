package gen_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/gen"
)

// greeter is what a person wrote in a package of its own, before there was a method Part.
const greeter = `package greeting

import "ex.com/gen/greeting/v1/greetingv1parigot"

type greeter struct {
	greetingv1parigot.UnimplementedGreetingServer
}

var _ greetingv1parigot.GreetingServer = greeter{}
`

var greeting = map[string]string{"greeting.proto": service("greeting.v1", "ex.com/gen/greeting/v1;greetingv1", "Greeting", "Greet")}

// TestGuestProgram: the package main comes with the first implementations, if it can import
// them. Otherwise a note says how they are served.
func TestGuestProgram(t *testing.T) {
	t.Parallel()
	const module = "module ex.com/app\n"
	const qualified = "nothing serves GreetingImpl yet: call greetingv1parigot.ServeGreeting(ctx, &greeting.GreetingImpl{}) in the main function of a guest, on a goroutine of its own if the guest serves more"
	for name, tt := range map[string]struct {
		dir  map[string]string
		note string // empty: there is a program
	}{
		"new":               {map[string]string{"go.mod": module}, ""},
		"beside other code": {map[string]string{"go.mod": module, "greeting/words.go": "package greeting\n"}, ""},
		"a program":         {map[string]string{"go.mod": module, "greeting/guest/run.go": "package main // mine\n"}, qualified},
		"no module":         {nil, qualified},
		"a package main": {
			map[string]string{"go.mod": module, "greeting/main.go": "//go:build wasip1\n\npackage main\n\nfunc main() {}\n"},
			strings.ReplaceAll(qualified, "&greeting.", "&"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, notes, text := skeleton(t, "guest_impl=greeting", tt.dir, greeting, "greeting.proto")
			require.Empty(t, text)
			require.Contains(t, got, "impl_greeting.go")
			require.Equal(t, strings.Contains(tt.note, "&Greeting"), strings.HasPrefix(got["impl_greeting.go"], "//go:build wasip1\n\npackage main\n"))
			if tt.note != "" {
				require.Contains(t, notes, tt.note)
				require.NotContains(t, got, "guest/main.go")
				return
			}
			require.Contains(t, got["guest/main.go"], "\n\texit(greetingv1parigot.ServeGreeting(context.Background(), &greeting.GreetingImpl{}))\n")
			require.Contains(t, got["guest/main.go"], "\n\t\"ex.com/app/greeting\"\n")
		})
	}
}

// TestGuestProgramNames: packages named like what the program declares get other names.
func TestGuestProgramNames(t *testing.T) {
	t.Parallel()
	protos := map[string]string{"a.proto": service("a", "ex.com/gen;ended", "A", "Call") + "service B {}\n"}
	got, _, text := skeleton(t, "guest_impl=exit,package_suffix=", map[string]string{"go.mod": "module ex.com/app\n"}, protos, "a.proto")
	require.Empty(t, text)
	require.Contains(t, got["guest/main.go"], "go func() { ended <- ended2.ServeB(ctx, &exit2.BImpl{}) }()\n")
}

// TestGuestGrows: what a person wrote stays, and a program is theirs to write.
func TestGuestGrows(t *testing.T) {
	t.Parallel()
	protos := map[string]string{"greeting.proto": service("greeting.v1", "ex.com/gen/greeting/v1;greetingv1", "Greeting", "Greet", "Part")}
	before := greeter + "\nfunc (greeter) Greet() {}\n"
	got, notes, text := skeleton(t, "guest_impl=greeting", map[string]string{"go.mod": "module ex.com/app\n", "greeting/mine.go": before}, protos, "greeting.proto")
	require.Empty(t, text)
	require.Equal(t, []string{"greeting/mine.go: 1 method added"}, notes)
	require.Len(t, got, 1)
	require.True(t, keeps(before, got["mine.go"]))
	require.Contains(t, got["mine.go"], "\nfunc (i greeter) Part(ctx context.Context, req *greetingv1.Word) (*greetingv1.Word, error) {\n")
}

// TestGuestsOfNativeServices: no guest serves them.
func TestGuestsOfNativeServices(t *testing.T) {
	t.Parallel()
	native := strings.NewReplacer("package a;", "package a;\nimport \"parigot/v1/options.proto\";", "service A {\n", "service A {\n  option (parigot.v1.service).native = true;\n").
		Replace(service("a", "ex.com/a", "A", "Call"))
	got, _, text := skeleton(t, "guest_impl=x", nil, map[string]string{"a.proto": native}, "a.proto")
	require.Empty(t, got)
	require.Equal(t, "a.proto:6:3: service a.A is native, so no guest serves it: delete the option, or write impl=DIR instead of guest_impl=DIR", text)

	protos := map[string]string{"a.proto": native + "service B {}\n"}
	got, notes, text := skeleton(t, "guest_impl=x", nil, protos, "a.proto")
	require.Empty(t, text)
	require.Len(t, got, 1)
	require.Contains(t, notes, "a.A is native, so no guest serves it: x gets no implementation of it")
	_, notes, _ = skeleton(t, "guest_impl=x", map[string]string{"x/impl_b.go": got["impl_b.go"]}, protos, "a.proto")
	require.Empty(t, notes, "it was said when the directory was new")
}

// TestBothKinds: one run may write for plugins and for guests, each by the same rules.
func TestBothKinds(t *testing.T) {
	t.Parallel()
	const parameter = "impl=plugins,guest_impl=guests"
	dir := map[string]string{"go.mod": "module ex.com/app\n"}
	got, notes, text := skeleton(t, parameter, dir, greeting, "greeting.proto")
	require.Empty(t, text)
	var names []string
	for name, content := range got {
		names = append(names, name)
		dir[name] = content
	}
	slices.Sort(names)
	require.Equal(t, []string{"guests/guest/main.go", "guests/impl_greeting.go", "plugins/impl_greeting.go", "plugins/plugin/main.go"}, names)
	require.Len(t, notes, 4)

	more := map[string]string{"greeting.proto": service("greeting.v1", "ex.com/gen/greeting/v1;greetingv1", "Greeting", "Greet", "Part")}
	got, notes, text = skeleton(t, parameter, dir, more, "greeting.proto")
	require.Empty(t, text)
	require.Equal(t, []string{"plugins/impl_greeting.go: 1 method added", "guests/impl_greeting.go: 1 method added"}, notes)
	for name, content := range got {
		require.True(t, keeps(dir[name], content), name)
	}

	// What is wrong with one stops both.
	dir["guests/impl_greeting.go"] += "\nfunc ("
	got, _, text = skeleton(t, parameter, dir, more, "greeting.proto")
	require.Contains(t, text, "guests/impl_greeting.go does not parse, so nothing is written")
	require.Empty(t, got)
}

// TestGuestsWithOneService: several guests may implement one service, if each has an entry.
func TestGuestsWithOneService(t *testing.T) {
	t.Parallel()
	const entries = "version: v2\nplugins:\n" +
		"  - local: protoc-gen-parigot\n    out: .\n    opt: guest_impl=guest/polite\n    strategy: all\n    types: [greeting.v1]\n" +
		"  - local: protoc-gen-parigot\n    out: .\n    opt: guest_impl=guest/rude\n    strategy: all\n    types: [greeting.v1]\n"
	files := fstest.MapFS{
		"buf.gen.yaml":           {Data: []byte(entries)},
		"guest/polite/polite.go": {Data: []byte(greeter)},
	}
	generate := func() string {
		request := requestFor(compileText(t, greeting, "greeting.proto"), "guest_impl=guest/rude", "greeting.proto")
		result, err := gen.Generate(request, gen.Workspace{FS: files})
		require.NoError(t, err)
		return result.Response.GetError()
	}
	require.Empty(t, generate())
	files["guest/old/polite.go"] = files["guest/polite/polite.go"]
	require.Contains(t, generate(), "guest/old/polite.go:9 implements greeting.v1.Greeting, and guest/rude does not, so nothing is written: if that is the implementation, set guest_impl to its directory;")
	delete(files, "guest/old/polite.go")

	files["buf.gen.yaml"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(entries, "    types: [greeting.v1]\n", ""))}
	require.Empty(t, generate(), "there is only one service")
}
