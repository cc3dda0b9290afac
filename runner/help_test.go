package runner

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestHelpExamples: each command that does something shows examples, and each example is a
// command line that this command takes.
func TestHelpExamples(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		if cmd.RunE == nil || cmd.Name() == "help" || cmd.Name() == "completion" || cmd.HasParent() && cmd.Parent().Name() == "completion" {
			return
		}
		require.NotEmpty(t, cmd.Example, cmd.CommandPath())
		for line := range strings.Lines(cmd.Example) {
			words := strings.Fields(line)
			if last := len(words) - 1; strings.HasPrefix(words[last], "2>") {
				words = words[:last] // the shell's
			}
			require.Equal(t, "parigot", words[0], line)
			root := newRootCommand()
			found, args, err := root.Find(words[1:])
			require.NoError(t, err, line)
			require.Equal(t, cmd.CommandPath(), found.CommandPath(), line)
			require.NoError(t, found.ParseFlags(args), line)
			require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			require.NoError(t, found.ValidateRequiredFlags(), line)
		}
	}
	root := newRootCommand()
	root.InitDefaultCompletionCmd()
	visit(root)
}
