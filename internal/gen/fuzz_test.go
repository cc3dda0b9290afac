package gen_test

import (
	"go/parser"
	"go/token"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// FuzzGenerate: whatever a request holds, files that parse come out, or an
// error, and never both.
func FuzzGenerate(f *testing.F) {
	for _, name := range []string{
		"comments/comments.proto", "directives/directives.proto", "options/options.proto", "proto2/old.proto",
		"edition2023/edition.proto", "deprecated/file.proto", "lower_case/lower.proto", "same_go_name/same.proto",
	} {
		for _, parameter := range []string{"", "package_suffix=,paths=source_relative", "impl=x,guest_impl=y,streaming=skip"} {
			wire, err := proto.Marshal(requestFor(compile(f, "testdata", name), parameter, name))
			require.NoError(f, err)
			f.Add(wire)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		request := new(pluginpb.CodeGeneratorRequest)
		if proto.Unmarshal(wire, request) != nil {
			return
		}
		result, err := gen.Generate(request, gen.Workspace{})
		if err != nil {
			return
		}
		if result.Response.Error != nil {
			require.Empty(t, result.Response.GetFile())
			// These are errors of the generator and not of its input.
			require.NotContains(t, result.Response.GetError(), "unparsable Go source")
			require.NotContains(t, result.Response.GetError(), "does not parse")
			require.NotContains(t, result.Response.GetError(), "template:")
			return
		}
		for _, file := range result.Response.GetFile() {
			if !strings.HasSuffix(file.GetName(), ".go") {
				continue
			}
			_, err := parser.ParseFile(token.NewFileSet(), "", file.GetContent(), parser.ParseComments)
			require.NoError(t, err, "%s:\n%s", file.GetName(), file.GetContent())
			if !strings.HasPrefix(path.Base(file.GetName()), "impl_") {
				requireFormatted(t, file.GetName(), file.GetContent())
			}
		}
		_, err = proto.Marshal(result.Response)
		require.NoError(t, err)
	})
}
