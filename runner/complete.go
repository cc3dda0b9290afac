package runner

import (
	"fmt"

	"github.com/spf13/cobra"
)

// addCompletion adds the command that writes what shells need, to the standard output that root
// has by now.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		group(completion)
		completion.Example = `  parigot completion bash >~/.local/share/bash-completion/completions/parigot
  parigot completion fish >~/.config/fish/completions/parigot.fish
  parigot completion zsh >~/.zsh/completions/_parigot`
	}
}

// completeFiles has the shell complete the arguments of cmd with files of these kinds.
func completeFiles(cmd *cobra.Command, extensions ...string) {
	cmd.ValidArgsFunction = cobra.FixedCompletions(extensions, cobra.ShellCompDirectiveFilterFileExt)
}

// completeFolders has the shell complete the arguments of cmd with folders.
func completeFolders(cmd *cobra.Command) {
	cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
}

// completeFlag has the shell complete a flag of cmd with values.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	// An error is that there is no such flag, which a test would see.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// group makes cmd, which only holds others, show its help when it is called without
// one, and fail when it is called with one that it does not have.
func group(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
		}
		return cmd.Help()
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.ValidArgsFunction = cobra.NoFileCompletions
}
