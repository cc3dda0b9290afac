package gen_test

import (
	"go/format"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// compile compiles proto files below root, with source info, and returns them
// with all that they import, each after what it imports.
func compile(tb testing.TB, root string, names ...string) *descriptorpb.FileDescriptorSet {
	tb.Helper()
	return compileFrom(tb, func(name string) (io.ReadCloser, error) {
		f, err := os.Open(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return os.Open(filepath.Join("../../pluginsdk/proto", filepath.FromSlash(name)))
		}
		return f, nil
	}, names...)
}

// compileText compiles proto files that are given as text.
func compileText(tb testing.TB, files map[string]string, names ...string) *descriptorpb.FileDescriptorSet {
	tb.Helper()
	return compileFrom(tb, func(name string) (io.ReadCloser, error) {
		if text, ok := files[name]; ok {
			return io.NopCloser(strings.NewReader(text)), nil
		}
		return os.Open(filepath.Join("../../pluginsdk/proto", filepath.FromSlash(name)))
	}, names...)
}

func compileFrom(tb testing.TB, open func(string) (io.ReadCloser, error), names ...string) *descriptorpb.FileDescriptorSet {
	tb.Helper()
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: open}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(tb.Context(), names...)
	require.NoError(tb, err)
	set := new(descriptorpb.FileDescriptorSet)
	seen := make(map[string]bool)
	for _, file := range files {
		appendFile(set, file, seen)
	}
	return set
}

func appendFile(set *descriptorpb.FileDescriptorSet, file protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		appendFile(set, file.Imports().Get(i).FileDescriptor, seen)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	last := set.File[len(set.File)-1]
	if last.SourceCodeInfo == nil {
		if r, ok := file.(interface {
			FileDescriptorProto() *descriptorpb.FileDescriptorProto
		}); ok {
			last.SourceCodeInfo = r.FileDescriptorProto().GetSourceCodeInfo()
		}
	}
}

// requestFor returns a request as a compiler sends it, to generate names.
func requestFor(set *descriptorpb.FileDescriptorSet, parameter string, names ...string) *pluginpb.CodeGeneratorRequest {
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: names,
		Parameter:      proto.String(parameter),
		ProtoFile:      set.GetFile(),
	}
	// Options of the compiler's own types become those that are linked here.
	wire, err := proto.Marshal(request)
	if err != nil {
		panic(err)
	}
	request = new(pluginpb.CodeGeneratorRequest)
	if err := proto.Unmarshal(wire, request); err != nil {
		panic(err)
	}
	return request
}

// request returns the request of one run of a case.
func (c *goldenCase) request(set *descriptorpb.FileDescriptorSet, parameter string) *pluginpb.CodeGeneratorRequest {
	names := c.generateOnly
	if len(names) == 0 {
		for _, file := range set.GetFile() {
			if c.ownRoot && !strings.HasPrefix(file.GetName(), "google/") && !strings.HasPrefix(file.GetName(), "parigot/") ||
				strings.HasPrefix(file.GetName(), c.name+"/") {
				names = append(names, file.GetName())
			}
		}
	}
	if !c.keepGenerator && !strings.Contains(parameter, "versions") {
		parameter = strings.TrimPrefix(parameter+",versions=false", ",")
	}
	return requestFor(set, parameter, names...)
}

// adjust applies the settings of a case to its descriptors.
func (c *goldenCase) adjust(t *testing.T, set *descriptorpb.FileDescriptorSet) {
	t.Helper()
	for _, file := range set.GetFile() {
		if c.noSourceInfo {
			file.SourceCodeInfo = nil
		}
		if c.edition != "" && file.GetSyntax() == "editions" {
			edition, ok := descriptorpb.Edition_value["EDITION_"+c.edition]
			require.True(t, ok)
			file.Edition = descriptorpb.Edition(edition).Enum()
		}
	}
}

// messages returns what protoc-gen-go writes for a request.
func messages(tb testing.TB, request *pluginpb.CodeGeneratorRequest) map[string]string {
	tb.Helper()
	request = proto.Clone(request).(*pluginpb.CodeGeneratorRequest)
	var params []string
	for param := range strings.SplitSeq(request.GetParameter(), ",") {
		name, _, _ := strings.Cut(param, "=")
		if slices.Contains([]string{"paths", "module", "default_api_level"}, name) || strings.HasPrefix(param, "M") || strings.HasPrefix(param, "apilevelM") {
			params = append(params, param)
		}
	}
	request.Parameter = proto.String(strings.Join(params, ","))
	request.FileToGenerate = slices.DeleteFunc(request.FileToGenerate, func(name string) bool {
		return strings.HasPrefix(name, "google/")
	})
	plugin, err := protogen.Options{}.New(request)
	require.NoError(tb, err)
	for _, file := range plugin.Files {
		if file.Generate {
			internal_gengo.GenerateFile(plugin, file)
		}
	}
	response := plugin.Response()
	require.Nil(tb, response.Error, response.GetError())
	files := make(map[string]string)
	for _, file := range response.GetFile() {
		files[file.GetName()] = file.GetContent()
	}
	return files
}

func requireFormatted(t *testing.T, name, content string) {
	t.Helper()
	formatted, err := format.Source([]byte(content))
	require.NoError(t, err, name)
	require.Equal(t, string(formatted), content, "%s is not formatted", name)
}

func wd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	return dir
}

// generateText generates from proto files given as text and returns the files
// by base name, or the error of the response.
func generateText(tb testing.TB, parameter string, files map[string]string, names ...string) (map[string]string, string) {
	tb.Helper()
	result, err := gen.Generate(requestFor(compileText(tb, files, names...), parameter, names...), gen.Workspace{})
	require.NoError(tb, err)
	byBase := make(map[string]string)
	for _, file := range result.Response.GetFile() {
		byBase[path.Base(file.GetName())] = file.GetContent()
	}
	return byBase, result.Response.GetError()
}

func TestMain(m *testing.M) {
	internal_gengo.GenerateVersionMarkers = false
	os.Exit(m.Run())
}
