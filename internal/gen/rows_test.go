package gen_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// rows are the inputs that a generator meets, each with what tests it: golden
// directories, and tests of this package, of the command and of the SDK.
var rows = []struct {
	input string
	tests string
}{
	1:  {"paths=source_relative", "source_relative"},
	2:  {"paths=import, the default", "import_path"},
	3:  {"module=", "module module_outside module_source_relative"},
	4:  {"M for a generated file", "m_override"},
	5:  {"M for a dependency", "m_dependency"},
	6:  {"unknown parameters, bad values, bare booleans", "TestParameters TestFailures"},
	7:  {"flags, arguments, a terminal", "TestCommandLine TestTerminal"},
	8:  {"a truncated request, or garbage", "TestFailures"},
	9:  {"nothing to generate", "TestEmptyRequest TestFeatures"},
	10: {"many files and packages", "many_packages"},
	11: {"two files of one Go package", "two_files"},
	12: {"one call for each file", "TestOneCallPerFile"},
	13: {"a file without services", "no_service"},
	14: {"well-known types among the files to generate", "wkt_listed"},
	15: {"optional of proto3", "proto3_optional TestFeatures"},
	16: {"editions", "edition2023 edition2024 TestFeatures"},
	17: {"proto2", "proto2 TestMissingRequiredField"},
	18: {"the opaque API", "opaque"},
	19: {"no go_package", "no_go_package"},
	20: {"a go_package without dot and slash", "short_go_package"},
	21: {"names in go_package, and names that differ", "go_package_name TestGoPackageNamesDiffer bad_go_package"},
	22: {"no package", "no_package"},
	23: {"a package of one part in a file at the root", "root_file"},
	24: {"a deep package", "deep_package"},
	25: {"two versions of a package", "two_versions"},
	26: {"messages of other packages", "foreign_messages"},
	27: {"messages named like generated types", "message_names same_package_clash"},
	28: {"well-known types", "well_known"},
	29: {"messages without fields", "empty_messages"},
	30: {"nested messages", "nested"},
	31: {"the same message in and out; recursive ones", "same_type"},
	32: {"methods named like keywords", "method_names"},
	33: {"services named like keywords", "service_names"},
	34: {"messages named like predeclared identifiers", "message_names"},
	35: {"methods named like those of Go types", "method_names import_names TestGuestsImportWhatTheyCall"},
	36: {"lower-case and snake-case names", "lower_case"},
	37: {"methods with one Go name", "same_go_name"},
	38: {"the same method in two services", "same_method"},
	39: {"names that are the same once joined", "joined_names"},
	40: {"services named like parameters", "service_names"},
	41: {"a service without methods", "empty_service"},
	42: {"streaming", "streaming_error"},
	43: {"services that only stream", "streaming_skip"},
	44: {"one side only", "side_host side_guest"},
	45: {"deprecation", "deprecated TestDeprecatedImports"},
	46: {"comments", "comments doc_comments"},
	47: {"comments that look like directives", "directives TestHarmless"},
	48: {"comments with odd bytes", "comment_bytes TestHarmless"},
	49: {"no source info", "no_source_info no_source_info_error"},
	50: {"no version of the compiler", "header TestHeaderNamesCompiler"},
	51: {"public imports", "public_import"},
	52: {"option, weak and unused imports", "public_import TestOptionImport TestWeakImport"},
	53: {"options of others", "unknown_options"},
	54: {"own options, good and bad", "options bad_options ids ids_only bad_ids bad_ids_clash"},
	55: {"idempotency_level", "method_table"},
	56: {"Go packages named like those of generated code", "go_package_names go_package_main"},
	57: {"odd file names", "file_names TestClashes TestFileStem"},
	58: {"file names that the go command takes for constraints", "constrained_names TestFileStem TestNotes"},
	59: {"build constraints", "source_relative side_host TestGoldensVet"},
	60: {"the same proto file by two paths", "TestSameFileTwice"},
	61: {"very many services", "TestLargeFile BenchmarkGenerate"},
	62: {"the same input again, in another order", "TestGolden TestOrderOfRequest"},
	63: {"annotate_code", "TestAnnotations"},
	64: {"no files, no environment; managed mode", "TestReadsNothing TestManagedMode"},
	65: {"the header", "header TestHeaderNamesCompiler"},
	66: {"an SDK that is too old", "TestVersionAssertion"},
	67: {"go vet", "TestGoldensVet"},
	68: {"reserved module names", "reserved_modules bad_options"},
	69: {"services without error enums", "options same_type"},
	70: {"a file that grows", "TestGrowingFile TestNoClash grown"},
	71: {"debug_redact", "method_table"},
	72: {"descriptors of methods", "method_table TestDescriptors"},
	73: {"methods named like the forms of others that fill a response", "into_names"},
	74: {"services that guests do not serve", "native"},
	75: {"services named like what serves and finds others", "TestClashes native"},
	76: {"calls between guests, and from native code to guests", "TestEveryMethodBetweenGuests TestEveryMethodFromHost"},
	77: {"Go packages named like parameters", "go_package_names service_names TestNoImportIsHidden"},
	78: {"guests that serve", "guest_skeleton guest_grown guest_in_main TestSkeletonServes"},
}

// TestRows: each row has its tests, and each golden directory its row, or is
// about the mode impl=DIR, package_suffix, or the documentation.
func TestRows(t *testing.T) {
	t.Parallel()
	have := testsAndGoldens(t)
	used := map[string]bool{"skeleton": true, "package_suffix": true, "same_package": true, "docs": true}
	for number, row := range rows {
		if number == 0 {
			continue
		}
		require.NotEmpty(t, strings.Fields(row.tests), "row %d, %s", number, row.input)
		for _, name := range strings.Fields(row.tests) {
			require.True(t, have[name], "row %d, %s: there is no %s", number, row.input, name)
			used[name] = true
		}
	}
	require.Len(t, rows, 1+78)
	for name := range have {
		require.True(t, used[name] || !isGolden(name), "the golden directory %s belongs to no row", name)
	}
}

func isGolden(name string) bool { return name == strings.ToLower(name) }

// testsAndGoldens returns the names of all tests and golden directories.
func testsAndGoldens(t *testing.T) map[string]bool {
	t.Helper()
	have := make(map[string]bool)
	dirs, err := filepath.Glob("testdata/*/params")
	require.NoError(t, err)
	for _, dir := range dirs {
		have[filepath.Base(filepath.Dir(dir))] = true
	}
	for _, dir := range []string{".", "calltest", "../../cmd/protoc-gen-parigot", "../../pluginsdk", "../../pluginsdk/eng", "../../pluginsdk/guest", "../../runner"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for line := range strings.Lines(string(text)) {
				name, _, _ := strings.Cut(strings.TrimPrefix(line, "func "), "(")
				have[name] = have[name] || strings.HasPrefix(line, "func Test") || strings.HasPrefix(line, "func Benchmark")
			}
		}
	}
	for name, is := range have {
		if !is {
			delete(have, name)
		}
	}
	return have
}

// edited returns the files for a.proto, after edit changed its descriptor.
func edited(t *testing.T, edit func(*pluginpb.CodeGeneratorRequest, *descriptorpb.FileDescriptorProto)) *pluginpb.CodeGeneratorResponse {
	t.Helper()
	set := compileText(t, map[string]string{
		"a.proto":     service("a", "ex.com/a", "Foo", "Call"),
		"other.proto": "syntax = \"proto2\";\npackage other;\nimport \"google/protobuf/descriptor.proto\";\noption go_package = \"ex.com/other\";\nextend google.protobuf.MethodOptions { optional string role = 5000; }\n",
	}, "other.proto", "a.proto")
	request := requestFor(set, "versions=false", "a.proto")
	edit(request, request.GetProtoFile()[len(request.GetProtoFile())-1])
	result, err := gen.Generate(request, gen.Workspace{})
	require.NoError(t, err)
	require.Nil(t, result.Response.Error)
	require.Len(t, result.Response.GetFile(), 3)
	return result.Response
}

func nothing(*pluginpb.CodeGeneratorRequest, *descriptorpb.FileDescriptorProto) {}

// TestOptionImport: "import option" is for the compiler alone. It need not
// send the file.
func TestOptionImport(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*pluginpb.CodeGeneratorRequest){
		"sent":     func(*pluginpb.CodeGeneratorRequest) {},
		"not sent": func(r *pluginpb.CodeGeneratorRequest) { r.ProtoFile = r.GetProtoFile()[len(r.GetProtoFile())-1:] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := edited(t, func(request *pluginpb.CodeGeneratorRequest, file *descriptorpb.FileDescriptorProto) {
				file.Syntax = proto.String("editions")
				file.Edition = descriptorpb.Edition_EDITION_2024.Enum()
				file.OptionDependency = []string{"other.proto"}
				options := &descriptorpb.MethodOptions{}
				options.ProtoReflect().SetUnknown([]byte{0xc2, 0xb8, 0x02, 0x05, 'a', 'd', 'm', 'i', 'n'})
				file.GetService()[0].GetMethod()[0].Options = options
				edit(request)
			})
			require.Equal(t, edited(t, nothing).GetFile(), got.GetFile())
		})
	}
}

// TestWeakImport: a weak import is none.
func TestWeakImport(t *testing.T) {
	t.Parallel()
	got := edited(t, func(_ *pluginpb.CodeGeneratorRequest, file *descriptorpb.FileDescriptorProto) {
		file.Dependency = append(file.Dependency, "other.proto")
		file.WeakDependency = []int32{int32(len(file.Dependency) - 1)}
	})
	require.Equal(t, edited(t, nothing).GetFile(), got.GetFile())
}

// TestSameFileTwice: a proto file that the compiler found under two paths
// declares everything twice.
func TestSameFileTwice(t *testing.T) {
	t.Parallel()
	set := compileText(t, map[string]string{"a.proto": service("a", "ex.com/a", "Foo", "Call")}, "a.proto")
	twin := proto.Clone(set.GetFile()[0]).(*descriptorpb.FileDescriptorProto)
	twin.Name = proto.String("proto/a.proto")
	set.File = append(set.File, twin)
	_, err := gen.Generate(requestFor(set, "", "a.proto", "proto/a.proto"), gen.Workspace{})
	require.ErrorContains(t, err, "proto/a.proto")
	require.ErrorContains(t, err, "name conflict over a.Foo")
}

// TestGoPackageNamesDiffer: protogen finds that two files give one Go package
// two names.
func TestGoPackageNamesDiffer(t *testing.T) {
	t.Parallel()
	set := compileText(t, map[string]string{
		"a.proto": service("a", "ex.com/x;one", "A", "Call"),
		"b.proto": service("b", "ex.com/x;two", "B", "Call"),
	}, "a.proto", "b.proto")
	_, err := gen.Generate(requestFor(set, "", "a.proto", "b.proto"), gen.Workspace{})
	require.ErrorContains(t, err, "inconsistent names")
	require.ErrorContains(t, err, "one")
	require.ErrorContains(t, err, "two")
}

// closedFS fails the test of who opens anything.
type closedFS struct{ t *testing.T }

func (c closedFS) Open(name string) (fs.File, error) {
	c.t.Errorf("the generator opened %s", name)
	return nil, errors.New("closed")
}

// TestReadsNothing: without impl= the generator needs no file and no
// environment, as where a remote plugin runs.
func TestReadsNothing(t *testing.T) {
	set := compileText(t, map[string]string{"a.proto": service("a", "ex.com/a", "Foo", "Call")}, "a.proto")
	request := requestFor(set, "", "a.proto")
	want, err := gen.Generate(request, gen.Workspace{})
	require.NoError(t, err)
	for _, name := range []string{"HOME", "PATH", "GOFLAGS", "GOPATH", "GOOS", "GOARCH", "PWD"} {
		t.Setenv(name, "/nowhere")
	}
	t.Chdir(t.TempDir())
	got, err := gen.Generate(request, gen.Workspace{FS: closedFS{t}})
	require.NoError(t, err)
	require.Equal(t, want.Response.GetFile(), got.Response.GetFile())
}

// TestVersionAssertion: code for a newer SDK does not compile against an older
// one, and says what to do.
func TestVersionAssertion(t *testing.T) {
	t.Parallel()
	files, text := generateText(t, "", map[string]string{"a.proto": service("a", "ex.com/a", "Foo", "Call")}, "a.proto")
	require.Empty(t, text)
	for name, assertion := range map[string]string{
		"a_host_parigot.pb.go":  "const _ = pluginsdk.IsAtLeastVersion0_1_0\n",
		"a_guest_parigot.pb.go": "const _ = guest.IsAtLeastVersion0_1_0\n",
	} {
		before, _, ok := strings.Cut(files[name], assertion)
		require.True(t, ok, name)
		require.True(t, strings.HasSuffix(before, "// run \"go get github.com/iansmith/parigot@latest\", or generate with the\n// protoc-gen-parigot of the version in use.\n"), name)
	}
}
