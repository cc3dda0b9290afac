//go:build unix

package guard

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStart: a program behaves the same with a guard and without one.
func TestStart(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*exec.Cmd) (*Process, error){"guarded": startGuarded, "direct": startDirect} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(script string) (said string, end error) {
				r, w, err := os.Pipe()
				require.NoError(t, err)
				cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script, "name", "an argument")
				cmd.Env, cmd.ExtraFiles = []string{"A=b"}, []*os.File{w}
				p, err := start(cmd)
				require.NoError(t, err)
				require.NoError(t, w.Close())
				text, err := io.ReadAll(r)
				require.NoError(t, err)
				if script == "exec sleep 1000 3>&-" {
					p.Kill()
				}
				end = p.Wait()
				p.Kill()
				return string(text), end
			}
			said, end := run(`echo "$1 $A" >&3; exit 3`)
			require.Equal(t, "an argument b\n", said)
			require.EqualError(t, end, "exit status 3")
			_, end = run("true")
			require.EqualError(t, end, "exit status 0")
			_, end = run("kill -KILL $$")
			require.EqualError(t, end, "signal: killed")
			_, end = run("exec sleep 1000 3>&-")
			require.EqualError(t, end, "signal: killed")

			_, err := start(exec.CommandContext(t.Context(), "/no/such/program"))
			require.EqualError(t, err, "fork/exec /no/such/program: no such file or directory")
			require.ErrorIs(t, err, fs.ErrNotExist)
		})
	}
}
