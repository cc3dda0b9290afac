package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/iansmith/parigot/internal/preflight"
)

func newPluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Build plugins",
		Example: `  parigot plugin build ./hello/plugin
  parigot plugin build --placement process -o build/hello ./hello/plugin`,
	}
	group(cmd)
	cmd.AddCommand(newPluginBuildCommand())
	return cmd
}

func newPluginBuildCommand() *cobra.Command {
	var b pluginBuild
	cmd := &cobra.Command{
		Use:   "build [-o FILE] DIR",
		Short: "Build a plugin that fits this program",
		Long: `Builds the package main in DIR, such as the one that protoc-gen-parigot writes to
plugin/main.go, for the placement "so": a Go shared object, which this program can load. It is
built as this program was: with its toolchain, -trimpath, -race, tags and experiments. When
a module has another version than here, no flag helps: that is said before the build.

With --placement process it is built as a program, which runs in a process of its own. Nothing has to
fit then.

The file is replaced when all is done, or not at all. It is named, unless -o says so, as DIR, or
as its parent when DIR is called "plugin".`,
		Example: `  parigot plugin build ./hello/plugin
  parigot plugin build -o build/queue.so ./examples/queue/plugin
  parigot plugin build --placement process -o build/queue ./examples/queue/plugin`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b := b
			if b.placement != "so" && b.placement != "process" {
				return usageError{fmt.Errorf("--placement is %q, want so or process", b.placement)}
			}
			b.dir = args[0]
			return b.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&b.out, "output", "o", "", "the `file` to write")
	cmd.Flags().StringVar(&b.placement, "placement", "so", "where it will run: so or process")
	completeFlag(cmd, "placement", "so", "process")
	completeFolders(cmd)
	return cmd
}

// pluginBuild is one run of the command.
type pluginBuild struct{ dir, out, placement string }

func (b pluginBuild) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	how := preflight.Recipe{}
	if b.placement == "so" {
		if how, err = b.plan(ctx, stderr); err != nil {
			return err
		}
	}
	out, err := b.target()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), ".parigot-plugin-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	built := filepath.Join(tmp, filepath.Base(out))
	_, _ = fmt.Fprintf(stderr, "building %s: %s\n", b.dir, strings.Join(append(append(how.Env, "go", "build"), how.Flags...), " "))
	build := b.goCommand(ctx, append(append([]string{"build"}, how.Flags...), "-o", built, ".")...)
	build.Env = append(build.Env, how.Env...)
	build.Stdout, build.Stderr = stderr, stderr
	if err := goError(ctx, build.Run()); err != nil {
		return err
	}
	info, err := os.Stat(built)
	if err != nil {
		return fmt.Errorf("go build made no program of %s: is it a package main?", b.dir)
	}
	note := "runs in a process of its own"
	if b.placement == "so" {
		if err := preflight.Check(built); err != nil {
			return fmt.Errorf("%s was built and does not fit this program, so it is not kept: %w", b.dir, err)
		}
		note = "loads in this program"
	}
	if err := os.Rename(built, out); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%s: %s, %s\n", out, humanize.Bytes(uint64(info.Size())), note)
	return nil
}

// target returns the absolute name of the file.
func (b pluginBuild) target() (string, error) {
	if b.out != "" {
		return filepath.Abs(b.out)
	}
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return "", err
	}
	name := filepath.Base(dir)
	if name == "plugin" {
		name = filepath.Base(filepath.Dir(dir))
	}
	if b.placement == "so" {
		name += ".so"
	}
	return filepath.Abs(name)
}

// plan finds out how to build, and whether that can help.
func (b pluginBuild) plan(ctx context.Context, stderr io.Writer) (preflight.Recipe, error) {
	if err := preflight.Supported(); err != nil {
		return preflight.Recipe{}, err
	}
	would, err := b.would(ctx, stderr)
	if err != nil {
		return preflight.Recipe{}, err
	}
	how, beyond, err := preflight.Plan(would)
	if err == nil && len(beyond) > 0 {
		err = fmt.Errorf("%s cannot fit this program, whatever it is built with:\n  %s", b.dir, strings.Join(beyond, "\n  "))
	}
	return how, err
}

// would returns what go build would build without flags of ours, without building it.
func (b pluginBuild) would(ctx context.Context, stderr io.Writer) (*debug.BuildInfo, error) {
	info := new(debug.BuildInfo)
	flags := b.goCommand(ctx, "env", "GOFLAGS")
	flags.Stderr = stderr
	text, err := flags.Output()
	if err := goError(ctx, err); err != nil {
		return nil, err
	}
	for _, flag := range strings.Fields(string(text)) {
		key, value, given := strings.Cut("-"+strings.TrimLeft(flag, "-"), "=")
		if !given {
			value = "true"
		}
		info.Settings = append(info.Settings, debug.BuildSetting{Key: key, Value: value})
	}
	list := b.goCommand(ctx, "list", "-deps", "-json=Name,DepOnly,Module", ".")
	list.Env = append(list.Env, "CGO_ENABLED=1")
	list.Stderr = stderr
	if text, err = list.Output(); goError(ctx, err) != nil {
		return nil, goError(ctx, err)
	}
	seen := map[string]bool{}
	for packages := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct {
			Name    string
			DepOnly bool
			Module  *struct {
				debug.Module
				Main bool
			}
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			return info, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		if !p.DepOnly && p.Name != "main" {
			return nil, fmt.Errorf("%s has the package %s, want a package main with a variable ParigotInitialize", b.dir, p.Name)
		}
		if m := p.Module; m != nil && !m.Main && !seen[m.Path] {
			seen[m.Path] = true
			info.Deps = append(info.Deps, asBuilt(&m.Module))
		}
	}
}

// asBuilt returns a module of go list as go build notes it.
func asBuilt(m *debug.Module) *debug.Module {
	if m.Replace != nil && m.Replace.Version == "" {
		m.Replace.Version = "(devel)"
	}
	return m
}

// goCommand is the go command in the plugin's folder, which may be another module than
// the one around.
func (b pluginBuild) goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.dir
	cmd.Env = os.Environ()
	return cmd
}

// goError says how a go command failed, when that has not said so itself.
func goError(ctx context.Context, err error) error {
	if _, failed := errors.AsType[*exec.ExitError](err); failed && ctx.Err() == nil {
		return exitError(exitFailed)
	}
	if err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("run go: %w", err))
	}
	return nil
}
