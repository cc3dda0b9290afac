package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// spawn starts programs that outlive whoever started them if nobody ends them, and returns
// their numbers after its own: a child, one in a session of its own, and one whose parent has ended.
func spawn() (string, error) {
	pids := []string{strconv.Itoa(os.Getpid())}
	for _, sid := range []bool{false, true} {
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: sid}
		if err := cmd.Start(); err != nil {
			return "", err
		}
		pids = append(pids, strconv.Itoa(cmd.Process.Pid))
	}
	cmd := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	orphan, err := cmd.Output()
	return strings.Join(append(pids, strings.TrimSpace(string(orphan))), " "), err
}

// runHost is a host with a plugin that starts programs. It waits to be killed.
func runHost() {
	host, err := eng.New(context.Background(), eng.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))))
	if err == nil {
		path, _ := os.Executable()
		err = pluginsdk.Start(context.Background(), host, Plugin(path), pluginsdk.WithConfig(wrapperspb.String("spawn")))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

// TestTreeEnds: what a plugin's process started ends with it, however it ends, and with its
// host.
func TestTreeEnds(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // see docs/process.md
	}
	for name, end := range map[string]func(h *host){
		"stop":  func(h *host) { require.NoError(t, h.engine.close(context.Background())) },
		"crash": func(h *host) { _, _ = h.guest("app").do("exit") },
		"kill":  func(h *host) { require.NoError(t, syscall.Kill(h.pid(), syscall.SIGKILL)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, "")
			pids := strings.Fields(h.guest("app").must("spawn"))
			require.Len(t, pids, 4)
			end(h)
			requireGone(t, pids)
		})
	}
}

// TestHostIsKilled: with the host killed, its plugins end, and what these have started.
func TestHostIsKilled(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // see docs/process.md
	}
	cmd := exec.CommandContext(t.Context(), self(t))
	cmd.Env = append(os.Environ(), "TEST_HOST=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	spawned := regexp.MustCompile(`msg="spawned ([0-9 ]+)"`).FindStringSubmatch(line)
	require.NotNil(t, spawned, line)
	pids := strings.Fields(spawned[1])
	require.Len(t, pids, 4)
	require.NoError(t, cmd.Process.Kill())
	require.ErrorContains(t, cmd.Wait(), "signal: killed")
	requireGone(t, pids)
}

// requireGone waits until no process has one of the numbers.
func requireGone(t *testing.T, pids []string) {
	t.Helper()
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, time.Minute, time.Millisecond,
			"process %d of %v is still there", pid, pids)
	}
}
