package gen_test

import (
	"fmt"
	"go/build"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// service returns a proto file with one service, whose name is in it.
func service(pkg, goPackage, name string, rpcs ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "syntax = \"proto3\";\npackage %s;\noption go_package = %q;\nservice %s {\n", pkg, goPackage, name)
	for _, rpc := range rpcs {
		fmt.Fprintf(&b, "  rpc %s(Word) returns (Word);\n", rpc)
	}
	return b.String() + "}\nmessage Word {}\n"
}

func TestParameters(t *testing.T) {
	t.Parallel()
	tests := []struct {
		parameter string
		err       string
	}{
		{"", ""},
		{"side=host,versions,streaming=skip", ""},
		{"versions=false,package_suffix=", ""},
		{"package_suffix", ""},
		{"annotate_code=true,default_api_level=API_OPAQUE", ""},
		{"nonsense", `unknown parameter "nonsense": want one of paths, module, M<file>, package_suffix, side, streaming, impl, guest_impl, impl_package, versions, annotate_code, default_api_level, apilevelM<file>`},
		{"side=", `bad value "" for parameter "side": want one of host, guest, both`},
		{"streaming=yes", `bad value "yes" for parameter "streaming": want one of error, skip`},
		{"versions=maybe", `bad value "maybe" for parameter "versions": want "true" or "false"`},
		{"package_suffix=a-b", `bad value for parameter "package_suffix": "a-b" cannot end a Go package name`},
		{"impl", `bad value for parameter "impl": want a directory`},
		{"impl_package=x", `parameter "impl_package" needs either "impl=DIR" or "guest_impl=DIR"`},
		{"guest_impl=", `bad value for parameter "guest_impl": want a directory`},
		{"impl=x,guest_impl=y", ""},
		{"impl=x,guest_impl=x/guest", ""},
		{"impl=x,guest_impl=y,impl_package=z", `parameter "impl_package" needs either "impl=DIR" or "guest_impl=DIR"`},
		{"impl=a/x,guest_impl=./A/x/", "impl and guest_impl are both a/x: plugins register with an engine, which guests have not, so give each a directory of its own"},
		{"impl=x,guest_impl=a/x", "impl=x and guest_impl=a/x end alike, so that a file of one could replace a file of the other: give one of them another name"},
		{"impl=a,guest_impl=.", "impl=a and guest_impl=. end alike, so that a file of one could replace a file of the other: give one of them another name"},
		{"impl=x,guest_impl=x/plugin", "of impl=x and guest_impl=x/plugin one is the folder of the other's main.go: give one of them another name"},
		{"impl=x/guest,guest_impl=x", "of impl=x/guest and guest_impl=x one is the folder of the other's main.go: give one of them another name"},
		{"impl=x,impl_package=func", `bad value for parameter "impl_package": "func" is no Go package name`},
		{"paths=sideways", `unknown path type "sideways": want "import" or "source_relative"`},
	}
	set := compileText(t, map[string]string{"a.proto": service("a", "ex.com/a", "A", "Call")}, "a.proto")
	for _, tt := range tests {
		t.Run(tt.parameter, func(t *testing.T) {
			t.Parallel()
			_, err := gen.Generate(requestFor(set, tt.parameter, "a.proto"), gen.Workspace{})
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.err)
		})
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	result, err := gen.Generate(new(pluginpb.CodeGeneratorRequest), gen.Workspace{})
	require.NoError(t, err)
	response := result.Response
	require.Empty(t, response.GetFile())
	require.Nil(t, response.Error)
	want := pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL | pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS
	require.Equal(t, uint64(want), response.GetSupportedFeatures())
	require.Equal(t, int32(descriptorpb.Edition_EDITION_PROTO2), response.GetMinimumEdition())
	require.Equal(t, int32(descriptorpb.Edition_EDITION_2024), response.GetMaximumEdition())
}

func TestHeaderNamesCompiler(t *testing.T) {
	t.Parallel()
	set := compileText(t, map[string]string{"a.proto": service("a", "ex.com/a", "A", "Call")}, "a.proto")
	request := requestFor(set, "", "a.proto")
	request.CompilerVersion = &pluginpb.Version{Major: proto.Int32(31), Minor: proto.Int32(2), Patch: proto.Int32(1), Suffix: proto.String("rc1")}
	result, err := gen.Generate(request, gen.Workspace{})
	require.NoError(t, err)
	for _, file := range result.Response.GetFile() {
		require.Contains(t, file.GetContent(), "// \tprotoc-gen-parigot "+gen.Version+"\n// \tprotoc             v31.2.1-rc1\n// source: a.proto\n")
	}
}

// TestAnnotations: a tool can jump from a symbol to its place in the proto
// file.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	files, text := generateText(t, "annotate_code,versions=false", map[string]string{"a.proto": service("a", "ex.com/a", "Foo", "Call")}, "a.proto")
	require.Empty(t, text)
	for name, symbols := range map[string][]string{
		"a_parigot.pb.go":       {"FooServiceName", "FooServer", "UnimplementedFooServer", "Foo_Call_FullName", "Call", "Call"},
		"a_host_parigot.pb.go":  {"FooClient", "Call", "NewFooClient", "clientFoo", "Call", "NewLocalFooClient", "FooIntoServer", "CallInto", "RegisterFoo", "Foo_ServiceDesc", "bridgeFoo_Call"},
		"a_guest_parigot.pb.go": {"FooClient", "Call", "NewFooClient", "callsFoo", "importedFoo", "importFoo_Call", "methodFoo_Call", "ServeFoo", "servedFoo", "LocateFoo", "locatedFoo"},
	} {
		info := new(descriptorpb.GeneratedCodeInfo)
		require.NoError(t, prototext.Unmarshal([]byte(files[name+".meta"]), info))
		var marked []string
		for _, a := range info.GetAnnotation() {
			marked = append(marked, files[name][a.GetBegin():a.GetEnd()])
			require.Equal(t, "a.proto", a.GetSourceFile())
		}
		require.ElementsMatch(t, symbols, marked)
	}
}

// TestOneCallPerFile: buf may call the plugin for each directory, and protoc
// for each file. Together they get what one call gets.
func TestOneCallPerFile(t *testing.T) {
	t.Parallel()
	set := compile(t, "testdata", "two_files/one.proto", "two_files/two.proto")
	both, err := gen.Generate(requestFor(set, "", "two_files/one.proto", "two_files/two.proto"), gen.Workspace{})
	require.NoError(t, err)
	var apart []*pluginpb.CodeGeneratorResponse_File
	for _, name := range []string{"two_files/one.proto", "two_files/two.proto"} {
		one, err := gen.Generate(requestFor(set, "", name), gen.Workspace{})
		require.NoError(t, err)
		apart = append(apart, one.Response.GetFile()...)
	}
	require.Equal(t, both.Response.GetFile(), apart)
}

// TestOrderOfRequest: neither the order of the files to generate nor that of
// the descriptors, as far as a compiler may choose it, changes a byte.
func TestOrderOfRequest(t *testing.T) {
	t.Parallel()
	for _, parameter := range []string{"", "impl=x"} {
		set := compile(t, "testdata", "many_packages/a/a.proto", "many_packages/b/b.proto", "many_packages/c/none.proto",
			"two_files/one.proto", "two_files/two.proto", "joined_names/joined.proto")
		names := []string{}
		for _, file := range set.GetFile() {
			names = append(names, file.GetName())
		}
		want, err := gen.Generate(requestFor(set, parameter, names...), gen.Workspace{})
		require.NoError(t, err)
		require.Empty(t, want.Response.GetError())
		require.NotEmpty(t, want.Response.GetFile())

		slices.Reverse(names)
		slices.Reverse(set.File)
		// A file follows what it imports.
		slices.SortStableFunc(set.File, func(a, b *descriptorpb.FileDescriptorProto) int {
			return len(a.GetDependency()) - len(b.GetDependency())
		})
		got, err := gen.Generate(requestFor(set, parameter, names...), gen.Workspace{})
		require.NoError(t, err)
		require.Equal(t, want.Response.GetFile(), got.Response.GetFile())
	}
}

// TestGrowingFile: a declaration that a file gets later renames nothing.
func TestGrowingFile(t *testing.T) {
	t.Parallel()
	before, _ := generateText(t, "versions=false", map[string]string{"a.proto": service("a", "ex.com/a", "Foo", "Call")}, "a.proto")
	text := service("a", "ex.com/a", "Foo", "Call", "CallMe") + "service FooCall { rpc Me(FooClient) returns (FooClient); }\nmessage FooClient {}\n"
	after, _ := generateText(t, "versions=false", map[string]string{"a.proto": text}, "a.proto")
	require.Len(t, before, 3)
	for name, content := range before {
		for line := range strings.Lines(content) {
			if strings.HasPrefix(line, "func ") || strings.HasPrefix(line, "type ") {
				require.Contains(t, after[name], line)
			}
		}
	}
}

func TestClashes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, parameter string
		files           map[string]string
		want            string
	}{
		{
			name: "output differs by case",
			files: map[string]string{
				"a/X.proto": service("a", "ex.com/x", "A", "Call"),
				"b/x.proto": strings.ReplaceAll(service("b", "ex.com/x", "B", "Call"), "Word", "Letter"),
			},
			want: "b/x.proto: its output ex.com/x/xparigot/x_parigot.pb.go has the name of one of a/X.proto: rename one of the two proto files",
		},
		{
			name: "a proto file like the half of another for hosts",
			files: map[string]string{
				"a/svc.proto":      service("a", "ex.com/x", "A", "Call"),
				"a/SVC_host.proto": strings.ReplaceAll(service("b", "ex.com/x", "B", "Call"), "Word", "Letter"),
			},
			want: "a/svc.proto: its output ex.com/x/xparigot/svc_host_parigot.pb.go has the name of one of a/SVC_host.proto: rename one of the two proto files",
		},
		{
			name:      "a proto file like the half of another for guests, whatever side is written",
			parameter: "side=host",
			files: map[string]string{
				"svc.proto":       service("a", "ex.com/x", "A", "Call"),
				"svc_guest.proto": strings.ReplaceAll(service("b", "ex.com/x", "B", "Call"), "Word", "Letter"),
			},
			want: "svc_guest.proto: its output ex.com/x/xparigot/svc_guest_parigot.pb.go has the name of one of svc.proto: rename one of the two proto files",
		},
		{
			name:      "messages like the code of services",
			parameter: "package_suffix=",
			files: map[string]string{
				"svc.proto":         service("a", "ex.com/x", "A", "Call"),
				"svc_parigot.proto": "syntax = \"proto3\";\npackage a;\noption go_package = \"ex.com/x\";\nmessage M {}\n",
			},
			want: "svc_parigot.proto: its output ex.com/x/svc_parigot.pb.go has the name of one of svc.proto: rename one of the two proto files",
		},
		{
			name: "two proto packages in one Go package",
			files: map[string]string{
				"a.proto": service("a", "ex.com/x", "Same", "Call"),
				"b.proto": strings.ReplaceAll(service("b", "ex.com/x", "Same", "Call"), "Word", "Letter"),
			},
			want: "b.proto:4:1: service b.Same and service a.Same (a.proto:4:1) both need the Go name SameServiceName; rename one of them",
		},
		{
			name:  "a service like the type of another",
			files: map[string]string{"a.proto": service("a", "ex.com/x", "UnimplementedFoo") + "service Foo {}\n"},
			want:  "a.proto:7:1: service a.Foo and service a.UnimplementedFoo (a.proto:4:1) both need the Go name UnimplementedFooServer; rename one of them",
		},
		{
			name:  "a function that serves, and an interface to serve",
			files: map[string]string{"a.proto": service("a", "ex.com/x", "ServeFoo") + "service FooServer {}\n"},
			want:  "a.proto:7:1: service a.FooServer and service a.ServeFoo (a.proto:4:1) both need the Go name ServeFooServer; rename one of them",
		},
		{
			name:  "a function that locates, and a client",
			files: map[string]string{"a.proto": service("a", "ex.com/x", "LocateFoo") + "service FooClient {}\n"},
			want:  "a.proto:7:1: service a.FooClient and service a.LocateFoo (a.proto:4:1) both need the Go name LocateFooClient; rename one of them",
		},
		{
			name:  "a local client, and a client",
			files: map[string]string{"a.proto": service("a", "ex.com/x", "Foo") + "service LocalFoo {}\n"},
			want:  "a.proto:7:1: service a.LocalFoo and service a.Foo (a.proto:4:1) both need the Go name NewLocalFooClient; rename one of them",
		},
		{
			name:  "a function that registers, and a server",
			files: map[string]string{"a.proto": service("a", "ex.com/x", "RegisterFoo") + "service FooServer {}\n"},
			want:  "a.proto:7:1: service a.FooServer and service a.RegisterFoo (a.proto:4:1) both need the Go name RegisterFooServer; rename one of them",
		},
		{
			name:      "a function that registers, and a message",
			parameter: "package_suffix=",
			files:     map[string]string{"a.proto": service("a", "ex.com/x", "Foo", "Call") + "message RegisterFoo {}\n"},
			want:      "a.proto:8:1: message a.RegisterFoo and service a.Foo (a.proto:4:1) both need the Go name RegisterFoo; rename one of them",
		},
		{
			name:      "two services for one implementation",
			parameter: "impl=x",
			files: map[string]string{
				"a.proto": service("a", "ex.com/a", "Same", "Call"),
				"b.proto": service("b", "ex.com/b", "Same", "Call"),
			},
			want: "b.proto:4:1: service b.Same and service a.Same (a.proto:4:1) would both be implemented by a type SamePlugin: give each a directory of its own",
		},
		{
			name:      "two services for one file",
			parameter: "impl=x",
			files:     map[string]string{"a.proto": service("a", "ex.com/a", "HTTPFile") + "service HttpFile {}\n"},
			want:      "a.proto:7:1: service a.HttpFile and service a.HTTPFile (a.proto:4:1) would both be implemented in impl_http_file.go: give each a directory of its own",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files, text := generateText(t, tt.parameter, tt.files, slices.Sorted(maps.Keys(tt.files))...)
			require.Equal(t, tt.want, text)
			require.Empty(t, files)
		})
	}
}

// TestNoClash: names that only look alike are fine.
func TestNoClash(t *testing.T) {
	t.Parallel()
	_, text := generateText(t, "", map[string]string{
		"a.proto": service("a", "ex.com/a", "Foo", "Call") + "service HostFoo { rpc Call(Word) returns (Word); }\nservice FooService {}\nservice RegisterFoo {}\n",
	}, "a.proto")
	require.Empty(t, text)
}

func TestFileStem(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"queue":         "queue",
		"foo_linux":     "foo_linux", // more follows, before any dot
		"a.b":           "a.b",
		"x_windows.y":   "x_windows_y",
		"x_test.y":      "x_test_y",
		"x_js_wasm.a.b": "x_js_wasm_a_b",
		"_api":          "proto_api",
		".hidden":       "proto.hidden",
		"-dash":         "proto-dash",
		"+linux.x":      "proto+linux.x",
		"ä-b":           "ä-b",
	} {
		require.Equal(t, want, gen.FileStem(base), base)
	}
}

// TestNoteFile: the note on a file that protoc-gen-go writes is true.
func TestNoteFile(t *testing.T) {
	t.Parallel()
	for base, noted := range map[string]bool{
		"queue": false, "foo_test": false, "x_test.y": false, "linux": false, "a.b_linux": false,
		"foo_linux": true, "foo_linux_test": true, "foo_js_wasm": true, "x_windows.y": true, "_api": true, ".hidden": true,
		"-dash": true, "@at": true, "9": false, "ä": false, "a-b": false, "a b": false,
	} {
		name := base + ".proto"
		result, err := gen.Generate(requestFor(compileText(t, map[string]string{name: service("a", "ex.com/a", "Foo", "Call")}, name), "", name), gen.Workspace{})
		require.NoError(t, err)
		require.Empty(t, result.Response.GetError())
		require.Equal(t, noted, len(result.Notes) == 1, "%s: %q", base, result.Notes)
		// This is what the go command does with the file.
		dir := t.TempDir()
		file := base + ".pb.go"
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("package a\n"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/a\n"), 0o600))
		list := exec.CommandContext(t.Context(), "go", "list", ".")
		list.Dir = dir
		text, _ := list.CombinedOutput()
		require.Equal(t, strings.Contains(string(text), "invalid input file name"), strings.Contains(fmt.Sprint(result.Notes), "refuses a package"), "%s: %s", base, text)
		for _, target := range []string{"linux/amd64", "windows/arm64", "js/wasm"} {
			target := strings.Split(target, "/")
			in := build.Default
			in.GOOS, in.GOARCH = target[0], target[1]
			match, err := in.MatchFile(dir, file)
			require.NoError(t, err)
			require.True(t, match || noted, "%s for %s", file, target)
			if !noted {
				pkg, err := in.ImportDir(dir, 0)
				require.NoError(t, err)
				require.Equal(t, []string{file}, pkg.GoFiles)
			}
		}
	}
}

func TestSnake(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"File": "file", "FileStore": "file_store", "HTTPFile": "http_file", "UserV2": "user_v2",
		"lower": "lower", "snake_case": "snake_case", "Odd_Mix": "odd_mix", "A": "a", "ID": "id",
	} {
		require.Equal(t, want, gen.Snake(name), name)
	}
}

func TestHarmless(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                    "",
		" text":               " text",
		"text":                " text",
		"\tcode":              "\tcode",
		"go:noinline":         " go:noinline",
		"go:build x":          " go: build x",
		" go:build x":         " go: build x",
		"+build x":            " + build x",
		"\t+build x":          "\t+ build x",
		"line a.go:1":         " line a.go:1",
		" trailing \t ":       " trailing",
		" bad \xff byte":      " bad \uFFFD byte",
		" mark \uFEFF inside": " mark \uFFFD inside",
		" nul \x00 inside":    " nul \uFFFD inside",
		" new\nline":          " new line",
		" bell \x07":          " bell",
		" next \u0085 line":   " next   line",
		" separator \u2028 ":  " separator",
	} {
		require.Equal(t, want, gen.Harmless(line), "%q", line)
	}
}
