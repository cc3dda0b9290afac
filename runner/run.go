package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/iansmith/parigot/internal/deploy"
	"github.com/iansmith/parigot/internal/visible"
)

func newRunCommand() *cobra.Command {
	var r runFlags
	cmd := &cobra.Command{
		Use:   "run [FILE]",
		Short: "Run a deployment: its plugins and its guests",
		Long: `Checks a deployment file as "check" does, and runs it: plugins in the order of the file, then
guests, each after those that serve it. The file is parigot.yaml when none is named.

The log goes to standard error, as text on a terminal and as JSON otherwise. What guests write is
in it, line by line with their names, at the level info, and which of them are compiled, which takes
seconds the first time. With --raw, what the main guest writes goes to standard output and standard
error as it is.

An interrupt or SIGTERM stops everything in order, within the grace_period of the file: guests that
serve others answer the calls that they have, then the plugins stop. A second one ends the program
at once.

Exit codes: that of the main guest, when it ended by itself; 0 when there is none and all guests
ended well; 1 when a guest failed, the run could not start, or the file is wrong; 2 for a wrong command
line; 130 and 143 after an interrupt and SIGTERM.`,
		Example: `  parigot run
  parigot run --raw deploy/parigot.yaml
  parigot run --watch --log-level debug
  parigot run --log-format json 2>run.log`,
		Annotations: map[string]string{stopsItself: ""},
		Args:        cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := deploymentFile(args)
			if err != nil {
				return err
			}
			return r.run(cmd.Context(), path, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	completeFiles(cmd, "yaml", "yml")
	cmd.Flags().StringVar(&r.format, "log-format", "auto", "how the log looks: text, json, or auto, which is text on a terminal")
	cmd.Flags().StringVar(&r.level, "log-level", "info", "what is left out of the log: all below debug, info, warn or error")
	completeFlag(cmd, "log-format", "text", "json", "auto")
	completeFlag(cmd, "log-level", "debug", "info", "warn", "error")
	cmd.Flags().BoolVar(&r.raw, "raw", false, "pass through what the main guest writes, instead of logging it")
	cmd.Flags().BoolVar(&r.watch, "watch", false, "put a guest whose file changed in the place of the one that runs")
	return cmd
}

type runFlags struct {
	format, level string
	raw, watch    bool
}

func (r *runFlags) run(ctx context.Context, path string, stdout, stderr io.Writer) error {
	newLog, err := r.newLog(isTerminal(stderr))
	if err != nil {
		return usageError{err}
	}
	defer outlivePipes()()
	sink := newLogSink(stderr, newLog)
	code, last := r.runFile(ctx, path, newLog(sink), stdout, stderr)
	if last != "" {
		last += "\n"
	}
	sink.close(last)
	if code == exitOK {
		return nil
	}
	return exitError(code)
}

// runFile runs the deployment. It returns the exit code, and what is said last.
func (r *runFlags) runFile(ctx context.Context, path string, log *slog.Logger, stdout, stderr io.Writer) (code int, last string) {
	f, err := deploy.Load(path)
	if err != nil {
		return exitFailed, errorText(err)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(f.MemoryLimit())
	}
	opts := []deploy.Option{deploy.WithLogger(log)}
	if r.raw {
		opts = append(opts, deploy.WithMainOutput(stdout, stderr))
	}
	if r.watch {
		opts = append(opts, deploy.WithWatch())
	}
	var exit atomic.Uint32
	exit.Store(exitFailed)
	err = abandonable(ctx, gracePeriod(f)+runGrace, func() error {
		code, err := deploy.Run(ctx, f, opts...)
		exit.Store(code)
		return err
	})
	if err == nil {
		return int(exit.Load()), ""
	}
	return stoppedCode(ctx, int(exit.Load())), errorText(err)
}

func gracePeriod(f *deploy.File) time.Duration {
	if g := f.Deployment.GetEngine().GetGracePeriod(); g != nil {
		return g.AsDuration()
	}
	return deploy.DefaultGracePeriod
}

// errorText returns what is said of an error: findings as check has them.
func errorText(err error) string {
	if found, ok := errors.AsType[*deploy.Error](err); ok {
		return visible.Lines(found.Error())
	}
	return "parigot: " + visible.Lines(err.Error())
}

// newLog returns what makes the log of a run.
func (r *runFlags) newLog(terminal bool) (func(io.Writer) *slog.Logger, error) {
	var o slog.HandlerOptions
	var level slog.Level
	if err := level.UnmarshalText([]byte(r.level)); err != nil {
		return nil, fmt.Errorf("--log-level is %q: want debug, info, warn or error", r.level)
	}
	o.Level = level
	switch {
	case r.format == "text", r.format == "auto" && terminal:
		return func(w io.Writer) *slog.Logger { return slog.New(newTextHandler(w, &o)) }, nil
	case r.format == "json", r.format == "auto":
		return func(w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(jsonWriter{w}, &o)) }, nil
	}
	return nil, fmt.Errorf("--log-format is %q: want text, json or auto", r.format)
}

// newLogSink returns a sink for what newLog makes.
func newLogSink(w io.Writer, newLog func(io.Writer) *slog.Logger) *sink {
	return newSink(w, func(dropped int) []byte {
		var note bytes.Buffer
		newLog(&note).Warn("log records were dropped: nobody read the log in time", "records", dropped)
		return note.Bytes()
	})
}
