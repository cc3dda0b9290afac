package merge_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnchors(t *testing.T) {
	t.Parallel()
	for name, assertion := range map[string]string{
		"nil pointer":        "var _ filev1parigot.FileServer = (*FilePlugin)(nil)",
		"address":            "var _ filev1parigot.FileServer = &FilePlugin{}",
		"new":                "var _ filev1parigot.FileServer = new(FilePlugin)",
		"value":              "var _ filev1parigot.FileServer = FilePlugin{}",
		"conversion":         "var _ = filev1parigot.FileServer((*FilePlugin)(nil))",
		"converted value":    "var _ filev1parigot.FileServer = FilePlugin(struct{}{})",
		"parentheses":        "var _ (filev1parigot.FileServer) = ((*FilePlugin)(nil))",
		"group":              "var (\n\tx = 1\n\t_ filev1parigot.FileServer = (*FilePlugin)(nil)\n)",
		"several in one":     "var _, _ filev1parigot.FileServer = other.New(), (*FilePlugin)(nil)",
		"type arguments":     "var _ filev1parigot.FileServer = (*FilePlugin[int])(nil)",
		"two type arguments": "var _ filev1parigot.FileServer = &FilePlugin[int, string]{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, _, err := complete(t, map[string]string{
				"impl_file.go": head,
				"zz.go":        "package file\n\nimport \"ex.com/gen/filev1parigot\"\n\n" + assertion + "\n",
			})
			require.NoError(t, err)
			require.NotNil(t, target)
			require.Equal(t, "FilePlugin", target.Type)
			require.Equal(t, "zz.go", target.FileName())
		})
	}
}

func TestNoAnchor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files map[string]string
		err   string // empty: a new implementation may be written
	}{
		{name: "no directory"},
		{name: "tests and hidden files only", files: map[string]string{
			"a_test.go": head + anchor, "_a.go": "no Go", ".a.go": "no Go", "a.txt": "no Go",
		}},
		{name: "other services", files: map[string]string{"impl_other.go": "package file\n\nvar _ x.FileServer = (*Other)(nil)\n"}},
		{
			name:  "no assertion",
			files: map[string]string{"impl_file.go": head},
			err:   "file/impl_file.go does not say which type implements filev1parigot.FileServer, so nothing is written: add the line\n\tvar _ filev1parigot.FileServer = (*FilePlugin)(nil)\nwith the name of the type, or move the file away",
		},
		{
			name:  "the type is elsewhere",
			files: map[string]string{"plugin.go": head},
			err:   "file/plugin.go:11: there is a FilePlugin that is not said to implement filev1parigot.FileServer, so nothing is written: add the line\n\tvar _ filev1parigot.FileServer = (*FilePlugin)(nil)\nor rename the type",
		},
		{
			name:  "a file does not parse",
			files: map[string]string{"impl_file.go": head + anchor, "half.go": "package file\n\nfunc ("},
			err:   "file/half.go does not parse, so nothing is written: file/half.go:3:7: expected ')', found 'EOF'",
		},
		{
			name:  "bytes that are no text",
			files: map[string]string{"impl_file.go": head + anchor + "// \xff\n"},
			err:   "file/impl_file.go does not parse, so nothing is written: file/impl_file.go:14:4: illegal UTF-8 encoding",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target, content, err := complete(t, tt.files)
			require.Nil(t, target)
			require.Empty(t, content)
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.err)
		})
	}
}

func TestSeveralImplementations(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"a_cache.go":   "package file\n\nimport \"ex.com/gen/filev1parigot\"\n\ntype cache struct{ filev1parigot.FileServer }\n\nvar _ filev1parigot.FileServer = cache{}\n",
		"impl_file.go": head + anchor + openMethod,
	}
	target, got, err := complete(t, files)
	require.NoError(t, err)
	require.Equal(t, "FilePlugin", target.Type)
	require.Equal(t, []string{"cache (file/a_cache.go:7)"}, target.Others)
	require.Equal(t, files["impl_file.go"]+closeStub, got)
}

// TestDecorator: a type that embeds the interface itself has all methods.
func TestDecorator(t *testing.T) {
	t.Parallel()
	before := "package file\n\nimport \"ex.com/gen/filev1parigot\"\n\ntype cache struct{ filev1parigot.FileServer }\n\nvar _ filev1parigot.FileServer = cache{}\n"
	target, got, err := complete(t, map[string]string{"cache.go": before})
	require.NoError(t, err)
	require.Equal(t, before, got)
	require.Equal(t, impl.ImportPath+".FileServer", target.Hidden(fallback))
}

// TestForeignType: there is nothing to add to a type of another package.
func TestForeignType(t *testing.T) {
	t.Parallel()
	before := "package file\n\nimport \"ex.com/gen/filev1parigot\"\n\nvar _ filev1parigot.FileServer = (*other.Plugin)(nil)\n"
	target, got, err := complete(t, map[string]string{"file.go": before})
	require.NoError(t, err)
	require.Equal(t, before, got)
	require.Empty(t, target.Type)
}
