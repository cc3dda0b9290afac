package walk

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	shown = regexp.MustCompile("(?s)<!-- a test compares this with what make demo prints -->\n```text\n(.*?)```\n")
	// What differs from run to run: times, sizes of the guest, temporary folders.
	varying = regexp.MustCompile(`(\d+m)?\d+(\.\d+)?(µs|ms|s| MB)\b|/\S*parigot-(file|queue)-demo-\d+`)
)

func TestReadmeShowsTheRealDemo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	want := shown.FindSubmatch(text)
	require.NotNil(t, want)
	w := &walker{t: t, dir: copyRepository(t)}
	w.run("make --no-print-directory demo")
	require.Equal(t, varying.ReplaceAllString(string(want[1]), "…"), varying.ReplaceAllString(w.output, "…"))
}
