package gen_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/gen"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/optionspb"
)

// TestOptionsBesideOthers: a company may use the numbers that are for its own
// house in one workspace with the options of Parigot, whose number is public.
func TestOptionsBesideOthers(t *testing.T) {
	t.Parallel()
	for _, option := range []protoreflect.ExtensionType{optionspb.E_File, optionspb.E_Service, optionspb.E_Method, optionspb.E_Enum} {
		require.Greater(t, int(option.TypeDescriptor().Number()), 100_000, "50000 to 99999 are for use within a company")
	}
	files := map[string]string{
		"corp/opts.proto": "syntax = \"proto3\";\npackage corp;\nimport \"google/protobuf/descriptor.proto\";\noption go_package = \"ex.com/corp\";\nextend google.protobuf.MethodOptions { bool audited = 52301; }\n",
		"a.proto":         "syntax = \"proto3\";\npackage a;\nimport \"corp/opts.proto\";\nimport \"parigot/v1/options.proto\";\noption go_package = \"ex.com/a\";\nmessage Word {}\nservice A { rpc Call(Word) returns (Word) { option (corp.audited) = true; option (parigot.v1.method).host_func_name = \"call\"; } }\n",
	}
	out, text := generateText(t, "", files, slices.Sorted(maps.Keys(files))...)
	require.Empty(t, text)
	require.Contains(t, out["a_guest_parigot.pb.go"], "//go:wasmimport a.A call\n")
}

// TestOptionsOfAnotherVersion: a copy of options.proto with other numbers would
// be ignored in silence.
func TestOptionsOfAnotherVersion(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"parigot/v1/options.proto": "syntax = \"proto3\";\npackage parigot.v1;\nimport \"google/protobuf/descriptor.proto\";\noption go_package = \"github.com/iansmith/parigot/pluginsdk/parigotpb/optionspb\";\nmessage MethodOptions {}\nextend google.protobuf.MethodOptions {\n  MethodOptions method = 52301;\n}\n",
		"a.proto":                  "syntax = \"proto3\";\npackage a;\nimport \"parigot/v1/options.proto\";\noption go_package = \"ex.com/a\";\nmessage Word {}\nservice A { rpc Call(Word) returns (Word) { option (parigot.v1.method) = {}; } }\n",
	}
	set := compileText(t, files, "a.proto")
	result, err := gen.Generate(requestFor(set, "", "a.proto"), gen.Workspace{})
	require.NoError(t, err)
	require.Equal(t, "parigot/v1/options.proto:7:3: the option parigot.v1.method has the number 52301, but this generator reads 315963476: copy parigot/v1/options.proto again from the version of Parigot in use", result.Response.GetError())
}
