package gen_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// TestManagedMode: buf's managed mode gives every file a Go package below a prefix,
// also Parigot's own, whose Go code is in its module.
func TestManagedMode(t *testing.T) {
	t.Parallel()
	const mended = `. If that comes from managed mode, buf.gen.yaml needs these lines:
managed:
  disable:
    - path: parigot/v1
If it comes from a parameter Mparigot/v1/id.proto, leave that out`
	files := map[string]string{
		"a.proto": "syntax = \"proto3\";\npackage a;\nimport \"google/protobuf/empty.proto\";\nimport \"parigot/v1/id.proto\";\noption go_package = \"ex.com/a\";\nmessage Req { parigot.v1.Id id = 1; }\nservice A { rpc Call(Req) returns (Req); }\n",
	}
	set := compileText(t, files, "a.proto")
	generate := func(parameter, goPackage string) (*pluginpb.CodeGeneratorResponse, error) {
		request := requestFor(set, parameter, "a.proto")
		for _, file := range request.GetProtoFile() {
			if file.GetName() == "parigot/v1/id.proto" {
				file.Options.GoPackage = proto.String(goPackage)
			}
		}
		result, err := gen.Generate(request, gen.Workspace{})
		return result.Response, err
	}
	const own = "github.com/iansmith/parigot/pluginsdk/parigotpb"
	got, err := generate("", "ex.com/gen/parigot/v1;parigotv1")
	require.NoError(t, err)
	require.Equal(t, "a.proto:4:1: the Go package of parigot/v1/id.proto is ex.com/gen/parigot/v1, which nobody makes: it has to stay in github.com/iansmith/parigot"+mended, got.GetError())
	require.Empty(t, got.GetFile())
	got, err = generate("Mparigot/v1/id.proto=ex.com/other", own)
	require.NoError(t, err)
	require.Contains(t, got.GetError(), "is ex.com/other, which nobody makes")
	got, err = generate("", own)
	require.NoError(t, err)
	require.Nil(t, got.Error)
	require.NotEmpty(t, got.GetFile())
}
