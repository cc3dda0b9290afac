package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"github.com/iansmith/parigot/runner/newproject"
)

const parigotModule = "github.com/iansmith/parigot"

func newNewCommand() *cobra.Command {
	p := newproject.Project{}
	checkout := ""
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make the project of a new plugin, which runs at once",
		Long: `Makes a Go module with a service, its implementation and tests, a guest that calls it, a
host, and the deployment file parigot.yaml. "make demo" there runs all of it, and needs Go and
make alone.

The project uses the version of Parigot that this program is. If it was built from a checkout, the
file go.work, which git ignores, names that.`,
		Example: `  parigot new hello
  parigot new hello --module github.com/ada/hello --dir plugins/hello`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p := p
			p.Name = args[0]
			if p.Module == "" {
				p.Module = "example.com/" + p.Name
			}
			if p.Dir == "" {
				p.Dir = p.Name
			}
			dir, err := filepath.Abs(p.Dir)
			if err != nil {
				return err
			}
			shown := p.Dir
			p.Dir = dir
			if p.Version, p.Replace, err = parigotSource(checkout); err != nil {
				return err
			}
			if err := p.Check(); err != nil {
				return usageError{err}
			}
			if err := p.Create(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "The project %s is ready:\n\n  cd %s\n  make demo\n", p.Name, shown)
			return nil
		},
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Flags().StringVar(&p.Module, "module", "", "the `path` of the Go module (default example.com/NAME)")
	cmd.Flags().StringVar(&p.Dir, "dir", "", "the `folder` to make (default NAME)")
	cmd.Flags().StringVar(&checkout, "parigot", "", "use the checkout of Parigot in this `folder`")
	return cmd
}

// parigotSource returns the version of this module that a project requires, and the
// checkout that takes its place, if any.
func parigotSource(checkout string) (version, replace string, err error) {
	if checkout != "" {
		dir, err := filepath.Abs(checkout)
		if err != nil {
			return "", "", err
		}
		if !isCheckout(dir) {
			return "", "", usageError{fmt.Errorf("%s is no checkout of %s: there is no go.mod of it", dir, parigotModule)}
		}
		return noVersion, dir, nil
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := released(info); v != "" {
			return v, "", nil
		}
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		if dir := filepath.Dir(filepath.Dir(file)); isCheckout(dir) {
			return noVersion, dir, nil
		}
	}
	return "", "", errors.New("this program is no released version of Parigot, and the checkout that it was built from is not there: " +
		"name a checkout with --parigot DIR, or run \"go install ./cmd/parigot\" in one")
}

// noVersion is required where a checkout takes the module's place.
const noVersion = "v0.0.0"

// released returns the version of this module that the go command has from a module
// proxy, or "".
func released(info *debug.BuildInfo) string {
	if m := info.Main; m.Path == parigotModule && m.Sum != "" && semver.IsValid(m.Version) {
		return m.Version // of "go install …@version"; a checkout has no sum
	}
	for _, m := range info.Deps {
		if m.Path == parigotModule && m.Replace == nil && semver.IsValid(m.Version) {
			return m.Version
		}
	}
	return ""
}

func isCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && modfile.ModulePath(text) == parigotModule
}
