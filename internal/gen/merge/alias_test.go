package merge_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAliases: a method counts as present whatever alias its receiver, its type or
// an embedded type has.
func TestAliases(t *testing.T) {
	t.Parallel()
	open := func(receiver string) string { return "func (" + receiver + ") Open() {}\n" }
	const foreign = "package file\n\nimport \"ex.com/other\"\n\n"
	tests := []struct {
		name, anchor, before string
		missing              []string
		receiver             string // of what is added, when something is
	}{
		{"an alias", "*FilePlugin", "type Q = FilePlugin\n" + open("p *Q"), []string{"Close"}, "p *FilePlugin"},
		{"a chain", "*FilePlugin", "type R = Q\ntype Q = (P)\ntype P = FilePlugin\n" + open("r *R"), []string{"Close"}, "r *FilePlugin"},
		{"of the pointer", "*FilePlugin", "type Q = *FilePlugin\n" + open("q Q"), []string{"Close"}, "q *FilePlugin"},
		{"of the pointer, in the assertion", "Q", "type Q = *FilePlugin\n" + open("q Q"), []string{"Close"}, "q *FilePlugin"},
		{"in the assertion", "*Q", "type Q = FilePlugin\n" + open("p *FilePlugin"), []string{"Close"}, "p *FilePlugin"},
		{"of an embedded type", "*Store", "type Store struct{ B }\ntype B = base\ntype base struct{}\n" + open("*base"), []string{"Close"}, "p *Store"},
		{"of an embedded type's pointer", "*Store", "type Store struct{ B }\ntype B = *base\ntype base struct{}\n" + open("*base"), []string{"Close"}, "p *Store"},
		{"of an embedded type's receiver", "*Store", "type Store struct{ base }\ntype B = base\ntype base struct{}\n" + open("*B"), []string{"Close"}, "p *Store"},
		{"of an embedded generic type", "*Store", "type Store struct{ B[int] }\ntype B[T any] = base[T]\ntype base[T any] struct{}\n" + open("*base[T]"), []string{"Close"}, "p *Store"},
		{"of an instance, in the assertion", "*Ints", "type Ints = Store[int]\ntype Store[T any] struct{}\n" + open("s *Store[T]"), []string{"Close"}, "s *Store[_]"},
		{"a generic one, in the assertion", "*Q[int]", "type Q[T any] = Store[T]\ntype Store[T any] struct{}\n" + open("s *Store[T]"), []string{"Close"}, "s *Store[_]"},
		{"of a type parameter", "*Store", "type A[Store any] = Store\ntype Store struct{}\n" + open("A"), []string{"Open", "Close"}, "p *Store"},
		{"on one system", "*Store", "type Store struct{ one }\ntype Store struct{ two }\ntype one struct{}\ntype two struct{}\n" + open("two"), []string{"Close"}, "p *Store"},
		{"in a circle", "*A", "type A = B\ntype B = A\n" + open("A"), []string{"Close"}, "p A"},
		{"of a type that only looks like it", "*FilePlugin", "type Q FilePlugin\n" + open("p *Q"), []string{"Open", "Close"}, "p *FilePlugin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := head + "var _ filev1parigot.FileServer = (" + tt.anchor + ")(nil)\n"
			target, got, err := complete(t, map[string]string{"impl_file.go": before, "more.go": "package file\n\n" + tt.before})
			require.NoError(t, err)
			require.Equal(t, tt.missing, target.Missing(methods))
			require.Contains(t, got, "\nfunc ("+tt.receiver+") Close(")
			require.Equal(t, len(tt.missing), strings.Count(got, "is missing"))
		})
	}
	target, got, err := complete(t, map[string]string{
		"impl_file.go": strings.Replace(head, "filev1parigot.UnimplementedFileServer", "base", 1) + anchor,
		"base.go":      foreign + "type base = *other.Base[int]\n",
	})
	require.NoError(t, err)
	require.Equal(t, "ex.com/other.Base", target.Hidden(fallback))
	require.NotContains(t, got, "is missing")
}
