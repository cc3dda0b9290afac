package runner

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// TestHelpExamples: each command shows examples, and each example is a
// command line that this command, or one in it, takes.
func TestHelpExamples(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		if cmd.HasParent() && cmd.Parent().Name() == "completion" {
			return // cobra's, whose texts have examples
		}
		require.NotEmpty(t, cmd.Example, cmd.CommandPath())
		for line := range strings.Lines(cmd.Example) {
			words := strings.Fields(line)
			if last := len(words) - 1; strings.Contains(words[last], ">") {
				words = words[:last] // the shell's
			}
			require.Equal(t, "parigot", words[0], line)
			root := newRootCommand()
			addCompletion(root)
			found, args, err := root.Find(words[1:])
			require.NoError(t, err, line)
			require.True(t, strings.HasPrefix(found.CommandPath(), cmd.CommandPath()), line)
			require.NoError(t, found.ParseFlags(args), line)
			require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			require.NoError(t, found.ValidateRequiredFlags(), line)
		}
	}
	root := newRootCommand()
	addCompletion(root)
	visit(root)
}

// TestComplete: shells complete what a command takes.
func TestComplete(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"pl":                        "plugin\tBuild plugins\n:4\n",
		"run --log-format ":         "text\njson\nauto\n:4\n",
		"run --log-level ":          "debug\ninfo\nwarn\nerror\n:4\n",
		"plugin build --placement ": "so\nprocess\n:4\n",
		"run ":                      "yaml\nyml\n:8\n",
		"check ":                    "yaml\nyml\n:8\n",
		"inspect ":                  "wasm\nso\n:8\n",
		"plugin build ":             ":16\n",
		"guest build ":              ":16\n",
	} {
		code, stdout, stderr := parigot(t, append([]string{"__complete"}, strings.Split(line, " ")...)...)
		require.Equal(t, exitOK, code, stderr)
		require.Equal(t, want, stdout, line)
	}
	code, stdout, _ := parigot(t, "completion", "bash")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "complete -o default -F __start_")
}

// TestGroups: a command that only holds others is none by itself.
func TestGroups(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plugin", "guest", "completion"} {
		code, stdout, _ := parigot(t, name)
		require.Equal(t, exitOK, code)
		require.Contains(t, stdout, "Available Commands:")
		code, _, stderr := parigot(t, name, "none")
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, `unknown command "none" for "`)
	}
}
