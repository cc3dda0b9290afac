package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

func newGuestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "guest",
		Short: "Build guests",
		Example: `  parigot guest build ./guest
  parigot guest build -o build/app.wasm ./guest`,
	}
	group(cmd)
	cmd.AddCommand(newGuestBuildCommand())
	return cmd
}

func newGuestBuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build [-o FILE] [flags of go build] PACKAGE",
		Short: "Build a Go program as a guest, with its contract",
		Long: `Builds a Go program for GOOS=wasip1 GOARCH=wasm, and adds to the module the section
"parigot.contract": the services it uses, their messages, and the versions of all modules.
A host compares that with what it has before the guest runs.

All flags of go build may be given, such as -tags, -ldflags or -buildmode=c-shared. -o
names the file, or an existing folder; the default is the name of the package with
".wasm", in the current folder. The file is replaced when all is done, or not at all.`,
		Example: `  parigot guest build ./guest
  parigot guest build -o build/app.wasm -tags prod ./guest`,
		DisableFlagParsing: true, // they are those of go build
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := parseGuestBuild(args)
			switch {
			case errors.Is(err, errHelp):
				return cmd.Help()
			case err != nil:
				return usageError{err}
			}
			return b.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	completeFolders(cmd)
	return cmd
}

var errHelp = errors.New("help is wanted")

// guestBuild is one run of the command.
type guestBuild struct {
	dir  string   // from -C
	out  string   // from -o
	args []string // all others
}

func parseGuestBuild(args []string) (guestBuild, error) {
	var b guestBuild
	if len(args) == 0 {
		return b, errors.New("name the package to build, such as ./guest")
	}
	for i := 0; i < len(args); i++ {
		flag, value, given := strings.Cut(args[i], "=")
		switch strings.TrimPrefix(flag, "-") {
		case "-h", "-help", "-", "h", "help":
			return b, errHelp
		case "-o", "o", "-C", "C":
			if !strings.HasPrefix(flag, "-") {
				break
			}
			if !given {
				if i++; i == len(args) {
					return b, fmt.Errorf("%s needs a value", flag)
				}
				value = args[i]
			}
			if strings.HasSuffix(flag, "o") {
				b.out = value
			} else {
				b.dir = value
			}
			continue
		}
		b.args = append(b.args, args[i])
	}
	return b, nil
}

func (b guestBuild) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	tmp, err := os.MkdirTemp("", "parigot-guest")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	built, err := b.goBuild(ctx, tmp, stderr)
	if err != nil {
		return err
	}
	module, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	c, notes, err := contract.Of(module)
	if err != nil {
		return fmt.Errorf("read what go build made: %w", err)
	}
	for _, note := range notes {
		writeLine(stderr, "note: %s", note)
	}
	if module, err = contract.Append(module, c); err != nil {
		return err
	}
	name := b.target(filepath.Base(built))
	if err := replaceFile(name, module); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%s: %s, %s\n", name, humanize.Bytes(uint64(len(module))), c.Proto().GetGoVersion())
	writeServices(stdout, c.Proto().GetServices())
	return nil
}

// goBuild runs go build, with its output in the folder tmp, and returns the file.
func (b guestBuild) goBuild(ctx context.Context, tmp string, stderr io.Writer) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", tmp + string(filepath.Separator)}, b.args...)...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := goError(ctx, cmd.Run()); err != nil {
		return "", err
	}
	files, err := os.ReadDir(tmp)
	switch {
	case err != nil:
		return "", err
	case len(files) == 0:
		return "", errors.New("go build made no program: is there a package main among what was named?")
	case len(files) > 1:
		return "", fmt.Errorf("go build made %d programs: name one package", len(files))
	}
	return filepath.Join(tmp, files[0].Name()), nil
}

// target returns the file that the module goes to, of a program with the given name.
func (b guestBuild) target(program string) string {
	program = strings.TrimSuffix(program, ".wasm") + ".wasm"
	out := b.out
	if out == "" {
		out = program
	}
	if !filepath.IsAbs(out) {
		out = filepath.Join(b.dir, out)
	}
	info, err := os.Stat(out)
	if err == nil && info.IsDir() || b.out != "" && os.IsPathSeparator(b.out[len(b.out)-1]) {
		return filepath.Join(out, program)
	}
	return out
}

// replaceFile puts content into the file, all or nothing, and makes its folder.
func replaceFile(name string, content []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// writeServices writes a line for each thing that a guest does with a service.
func writeServices(w io.Writer, services []*contractpb.Service) {
	for _, s := range services {
		var methods []string
		for _, m := range s.GetMethods() {
			methods = append(methods, m.GetName())
		}
		from := ""
		if s.GetGoModule() != nil {
			from = " of " + s.GetGoModule().GetPath() + " " + contract.VersionText(s.GetGoModule())
		}
		for _, does := range []struct {
			verb string
			yes  bool
		}{{"calls", s.GetCalls()}, {"serves", s.GetServes()}, {"locates", s.GetLocates()}} {
			if does.yes {
				writeLine(w, "  %-8s %s%s: %s", does.verb, s.GetName(), from, strings.Join(methods, ", "))
			}
		}
	}
}
