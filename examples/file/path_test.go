//go:build !wasip1

package file

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestCheckPath(t *testing.T) {
	t.Parallel()
	part255 := strings.Repeat("x", 255)
	valid := map[string]string{
		"/parigot/app/a":                            "a",
		"/parigot/app/a/b/c.txt":                    "a/b/c.txt",
		"/parigot/app/...":                          "...",
		"/parigot/app/.hidden":                      ".hidden",
		"/parigot/app/a b":                          "a b",
		"/parigot/app/~":                            "~",
		"/parigot/app/größe/日本":                     "größe/日本",
		"/parigot/app/a:b#c%d!e":                    "a:b#c%d!e",
		"/parigot/app/parigot/app/x":                "parigot/app/x",
		"/parigot/app/" + part255:                   part255,
		"/parigot/app" + strings.Repeat("/d", 18):   strings.Repeat("d/", 17) + "d",
		"/parigot/app" + strings.Repeat("/é", 18):   strings.Repeat("é/", 17) + "é",
		"/parigot/app/" + strings.Repeat("é", 127):  strings.Repeat("é", 127),
		"/parigot/app/\u00a0":                       "\u00a0",
		"/parigot/app/\ufffd":                       "\ufffd",
		"/parigot/app/-rf":                          "-rf",
		"/parigot/app/a/" + part255 + "/" + part255: "a/" + part255 + "/" + part255,
	}
	for guestPath, want := range valid {
		got, err := checkPath(guestPath)
		require.NoError(t, err, "%q", guestPath)
		require.Equal(t, want, got)
	}

	invalid := []struct{ path, reason string }{
		{"", "does not start with /parigot/app/"},
		{"/", "does not start with"},
		{"a", "does not start with"},
		{"/parigot/app", "does not start with"},
		{"parigot/app/a", "does not start with"},
		{"/parigot/appa/a", "does not start with"},
		{"/parigot/App/a", "does not start with"},
		{"//parigot/app/a", "does not start with"},
		{"/parigot//app/a", "does not start with"},
		{"/etc/passwd", "does not start with"},
		{"/parigot/app/", "part 3 of the path is empty"},
		{"/parigot/app//a", "part 3 of the path is empty"},
		{"/parigot/app/a/", "part 4 of the path is empty"},
		{"/parigot/app/a//b", "part 4 of the path is empty"},
		{"/parigot/app/.", "part 3 of the path is ."},
		{"/parigot/app/..", "part 3 of the path is .."},
		{"/parigot/app/../../etc", "part 3 of the path is .."},
		{"/parigot/app/a/./b", "part 4 of the path is ."},
		{"/parigot/app/a/b/..", "part 5 of the path is .."},
		{"/parigot/app" + strings.Repeat("/d", 19), "more than 20 parts"},
		{"/parigot/app/" + part255 + "x", "part 3 of the path is longer than 255 bytes"},
		{"/parigot/app/" + strings.Repeat("é", 128), "longer than 255 bytes"},
		{strings.Repeat("/parigot", 1<<20), "longer than 5120 bytes"},
		{"/parigot/app/a\xff", "not valid UTF-8"},
		{"/parigot/app/\xc0\xae\xc0\xae/a", "not valid UTF-8"}, // an overlong ".."
		{"/parigot/app/\xed\xa0\x80", "not valid UTF-8"},       // half a surrogate pair
		{"/parigot/app/a\x00b", "control character"},
		{"/parigot/app/a\nb", "control character"},
		{"/parigot/app/a\tb", "control character"},
		{"/parigot/app/\x1b[2J", "control character"},
		{"/parigot/app/\x7f", "control character"},
		{"/parigot/app/\u0085", "control character"},
	}
	for _, c := range "*?><|&;$\\\"'`" {
		invalid = append(invalid, struct{ path, reason string }{"/parigot/app/a" + string(c), "holds one of"})
	}
	for _, c := range invalid {
		_, err := checkPath(c.path)
		require.ErrorIs(t, err, status.Of(filev1.FileErr_InvalidPathError), "%.80q", c.path)
		require.ErrorContains(t, err, c.reason, "%.80q", c.path)
		require.Less(t, len(err.Error()), 200, "a message must not grow with the path")
	}
}

// validPath says the rules once more, in a way that shares nothing with
// checkPath.
var validPath = regexp.MustCompile(
	`^(?s:/parigot/app(/[^/*?><|&;$\\"'` + "`" + `\x{00}-\x{1f}\x{7f}-\x{9f}]+){1,18})$`)

func isValidPath(p string) bool {
	if !validPath.MatchString(p) || strings.ToValidUTF8(p, "") != p {
		return false
	}
	for dir := p; dir != "/"; dir = path.Dir(dir) {
		if len(path.Base(dir)) > 255 {
			return false
		}
	}
	// Cleaning changes a path with empty, "." and ".." parts, and only such.
	return path.Clean(p) == p
}

func FuzzCheckPath(f *testing.F) {
	for _, seed := range []string{
		"/parigot/app/a", "/parigot/app/a/b.txt", "/parigot/app/../x", "/parigot/app//",
		"/parigot/app/\u0085", "/parigot/app/\xff", "/parigot/app/a:b", "/parigot/app/…",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, guestPath string) {
		name, err := checkPath(guestPath)
		require.Equal(t, isValidPath(guestPath), err == nil, "%q: %v", guestPath, err)
		if err != nil {
			require.ErrorIs(t, err, status.Of(filev1.FileErr_InvalidPathError))
			return
		}
		require.Equal(t, "/parigot/app/"+name, guestPath)
		require.True(t, fs.ValidPath(name), "%q leaves the root", name)
	})
}
