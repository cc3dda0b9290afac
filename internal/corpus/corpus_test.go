package corpus_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/corpus"
	// The tests compile against these, so a change to them makes go test run
	// them again.
	_ "github.com/iansmith/parigot/pluginsdk"
	_ "github.com/iansmith/parigot/pluginsdk/eng"
)

// TestCorpus is the scoreboard: nothing may fail, and what is refused says
// where.
func TestCorpus(t *testing.T) {
	nth, services := 0, 140
	if corpus.Form == "full" {
		nth, services = 10, 1000
	}
	board, err := corpus.Run(t.Context(), "../..", nth)
	require.NoError(t, err)
	t.Logf("\n%s", board)
	require.Empty(t, board.Failures)
	require.GreaterOrEqual(t, board.Total.Services, services)
	for _, refusal := range board.Refusals {
		require.Regexp(t, `^[^:\n]+:\d+:\d+: `, refusal.Reason)
	}
}

// TestGroupingOfFiles compares one request for all with one for each
// directory, in another order.
func TestGroupingOfFiles(t *testing.T) {
	c, err := corpus.Load()
	require.NoError(t, err)
	output, err := c.Generate()
	require.NoError(t, err)
	together, err := output.GenerateTogether(c)
	require.NoError(t, err)
	apart, err := output.GenerateByDirectory(c)
	require.NoError(t, err)
	require.Len(t, apart, len(together))
	for name, content := range together {
		require.Equal(t, content, apart[name], name)
		require.NotEmpty(t, output.Content[name], "with comments there is no %s", name)
	}
}

// TestCommentsArrive makes sure that the comments of the corpus are in its
// output, and none of them as a directive.
func TestCommentsArrive(t *testing.T) {
	c, err := corpus.Load()
	require.NoError(t, err)
	output, err := c.Generate()
	require.NoError(t, err)
	carried := 0
	for name, content := range output.Content {
		if strings.Contains(content, "漢字") {
			carried++
		}
		for _, directive := range []string{"go:generate", "go:embed", "go:linkname", "line ", "export "} {
			require.NotContains(t, content, "\n//"+directive, name)
		}
	}
	require.Positive(t, carried)
}
