// Package runner is the command line of Parigot: it builds what plugins and guests are
// made of, and shows what they are. The program parigot is it with the
// plugins of the examples linked in. A program with other plugins is three lines:
//
//	func main() {
//		pluginsdk.Register("hello", hello.ParigotInitialize)
//		runner.Main()
//	}
//
// Each command describes itself: see parigot --help.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/iansmith/parigot/internal/compiler"
	"github.com/iansmith/parigot/internal/version"
	"github.com/iansmith/parigot/internal/visible"
)

// Exit codes of all commands.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the command line of this process and ends the process. An interrupt, or
// SIGTERM, ends what runs in good order; the next one ends the process at once.
// Plugins that are linked in are registered before it is called, see pluginsdk.Register.
//
// The engine starts the program again to compile a guest that is not in its cache. There Main
// compiles, and ends the process: do nothing before it but register plugins.
func Main() {
	compiler.Main()
	ctx, stop := withSignals(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // it is the whole of its callers' main
}

// run is Main with everything that it touches. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(os.Stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	addCompletion(root)
	ran := false
	noteRuns(root, &ran)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var exit exitError
	if errors.As(err, &exit) {
		return int(exit)
	}
	say(stderr, root.Name()+": "+visible.Lines(err.Error())+"\n")
	if ran && !errors.As(err, new(usageError)) {
		return stoppedCode(ctx, exitFailed)
	}
	say(stderr, "Run '"+cmd.CommandPath()+" --help' for how to use it.\n")
	return exitUsage
}

// noteRuns has cmd and all below it set ran when they begin their work, as an error before
// that is one of usage, and return soon after a signal.
func noteRuns(cmd *cobra.Command, ran *bool) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*ran = true
			if _, ok := cmd.Annotations[stopsItself]; ok {
				return work(cmd, args)
			}
			return abandonable(cmd.Context(), stopGrace, func() error { return work(cmd, args) })
		}
	}
	for _, sub := range cmd.Commands() {
		noteRuns(sub, ran)
	}
}

// exitError ends the program with its code. What was wrong has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is an error of whoever wrote the command line, found by a command
// itself: the exit code is 2, and the command's help is pointed to.
type usageError struct{ error }

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   filepath.Base(os.Args[0]),
		Short: "Build WebAssembly guests, and the native Go plugins that they call",
		Long: `For plugins, which are native Go code, and guests, which are WebAssembly programs that
call them and each other.

A project of "new" builds a program with its plugin in it. Use that in the project: after
"make build", build/host has the same commands.

Exit codes: 0 it worked, 1 it did not, 2 the command line is wrong, 130 and 143 an
interrupt or SIGTERM stopped it.`,
		Example: `  parigot new hello
  parigot guest build -o build/app.wasm ./guest
  parigot check deploy/parigot.yaml
  parigot run --watch deploy/parigot.yaml`,
		Version:       version.Text(),
		SilenceErrors: true, // run says what is wrong
		SilenceUsage:  true,
	}
	root.SetVersionTemplate(versionTemplate)
	root.AddCommand(newCheckCommand(), newGuestCommand(), newInspectCommand(), newNewCommand(), newPluginCommand(), newRunCommand(), newVersionCommand())
	return root
}

// versionTemplate is what --version prints.
const versionTemplate = "{{.DisplayName}} {{.Version}}\n"

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version and the commit of Parigot",
		Long:    `Prints the version and the commit of Parigot that this program was built from, as --version does.`,
		Example: "  parigot version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", cmd.Root().DisplayName(), version.Text())
			return err
		},
	}
}
