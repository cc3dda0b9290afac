package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/iansmith/parigot/internal/deploy"
	"github.com/iansmith/parigot/internal/visible"
)

// defaultFile is the deployment file that is meant when none is named.
const defaultFile = "parigot.yaml"

func newCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Find what is wrong with a deployment, without starting it",
		Long: `Finds all that "run" would find wrong with a deployment file: fields, files, hashes, configurations
of plugins, what guests import, grants. The file is parigot.yaml when none is named.

No plugin is initialised and no guest runs. But a plugin with the placement so is loaded, which
runs the initialisation of its packages, and one with the placement process is run to describe itself
and to check its configuration.

Findings are written as compilers write theirs, file:line:column: field: message, and the exit code
is 1 when there are some. With --json they are a list on standard output, which is empty when
there are none. That guests serve each other in a circle is a note, and no finding.`,
		Example: `  parigot check
  parigot check --json deploy/parigot.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := deploymentFile(args)
			if err != nil {
				return err
			}
			f, err := deploy.Load(path)
			if err == nil {
				err = f.Check(cmd.Context(), deploy.WithLogger(progress(cmd.ErrOrStderr())))
			}
			found, wrong := errors.AsType[*deploy.Error](err)
			switch {
			case err != nil && !wrong:
				return err
			case asJSON:
				err = writeFindings(cmd.OutOrStdout(), found)
			case wrong:
				_, err = fmt.Fprintln(cmd.ErrOrStderr(), visible.Lines(found.Error()))
			default:
				err = writeOK(cmd.OutOrStdout(), f)
			}
			if err == nil && wrong {
				return exitError(exitFailed)
			}
			return err
		},
	}
	completeFiles(cmd, "yaml", "yml")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the findings as JSON: file, line, column, field, message")
	return cmd
}

// writeOK says what was found right, and what is worth a look.
func writeOK(w io.Writer, f *deploy.File) error {
	for _, c := range f.Circles() {
		if _, err := fmt.Fprintf(w, "%v (a note, no error)\n", c); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: ok: the files, configurations, imports and grants of all plugins (%d) and guests (%d)\n",
		f.Path, len(f.Deployment.GetPlugins()), len(f.Deployment.GetGuests()))
	return err
}

// progress returns a log for somebody who waits, who is there only if w is a terminal.
func progress(w io.Writer) *slog.Logger {
	if isTerminal(w) {
		return slog.New(newTextHandler(w, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// deploymentFile returns the file that a command is to work on.
func deploymentFile(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	if _, err := os.Stat(defaultFile); err != nil {
		return "", usageError{errors.New("name the deployment file: there is no " + defaultFile + " here")}
	}
	return defaultFile, nil
}

func writeFindings(w io.Writer, found *deploy.Error) error {
	findings := []deploy.Finding{}
	if found != nil {
		findings = found.Findings
	}
	e := json.NewEncoder(jsonWriter{w})
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(findings)
}
