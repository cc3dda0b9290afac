//go:build !wasip1

package file

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// bundle is a plugin with a root of its own, and a client that calls it through
// the bridge.
type bundle struct {
	t       *testing.T
	root    string // on the host
	log     *plugintest.Output
	sandbox *sandbox
	client  filev1parigot.FileClient
}

// setup makes a plugin. configure may change its configuration, or be nil.
func setup(t *testing.T, configure func(*filev1.FileConfig)) *bundle {
	t.Helper()
	b := &bundle{t: t, root: t.TempDir(), log: new(plugintest.Output)}
	cfg := &filev1.FileConfig{Root: b.root}
	if configure != nil {
		configure(cfg)
	}
	s, err := newSettings(cfg)
	require.NoError(t, err)
	b.sandbox, err = newSandbox(s, slog.New(slog.NewTextHandler(b.log, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.sandbox.close(context.Background())) })
	b.client = filev1parigot.NewLocalFileClient(&FilePlugin{sandbox: b.sandbox})
	return b
}

// hostPath returns where the file is on the host that guests call
// /parigot/app/name.
func (b *bundle) hostPath(name string) string {
	return filepath.Join(b.root, filepath.FromSlash(name))
}

// put makes a file behind the plugin's back, and the directories above it.
func (b *bundle) put(name, content string) {
	b.t.Helper()
	putFile(b.t, b.hostPath(name), content)
}

func putFile(t *testing.T, hostPath, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(hostPath), 0o700))
	require.NoError(t, os.WriteFile(hostPath, []byte(content), 0o600))
}

// content reads a file behind the plugin's back.
func (b *bundle) content(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(b.hostPath(name))
	require.NoError(b.t, err)
	return string(data)
}

func (b *bundle) open(name string) (*parigotpb.Id, error) {
	resp, err := b.client.Open(b.t.Context(), &filev1.OpenRequest{Path: guestRoot + name})
	return resp.GetId(), err
}

func (b *bundle) create(name string) (*parigotpb.Id, error) {
	resp, err := b.client.Create(b.t.Context(), &filev1.CreateRequest{Path: guestRoot + name})
	return resp.GetId(), err
}

func (b *bundle) mustOpen(name string) *parigotpb.Id {
	b.t.Helper()
	fileID, err := b.open(name)
	require.NoError(b.t, err)
	return fileID
}

func (b *bundle) mustCreate(name string) *parigotpb.Id {
	b.t.Helper()
	fileID, err := b.create(name)
	require.NoError(b.t, err)
	return fileID
}

func (b *bundle) read(fileID *parigotpb.Id, limit uint32) (string, error) {
	resp, err := b.client.Read(b.t.Context(), &filev1.ReadRequest{Id: fileID, Limit: limit})
	return string(resp.GetData()), err
}

func (b *bundle) write(fileID *parigotpb.Id, data string) error {
	resp, err := b.client.Write(b.t.Context(), &filev1.WriteRequest{Id: fileID, Data: []byte(data)})
	if err == nil {
		require.EqualValues(b.t, len(data), resp.GetWritten())
	}
	return err
}

func (b *bundle) close(fileID *parigotpb.Id) error {
	_, err := b.client.Close(b.t.Context(), &filev1.CloseRequest{Id: fileID})
	return err
}

func (b *bundle) delete(name string) error {
	_, err := b.client.Delete(b.t.Context(), &filev1.DeleteRequest{Path: guestRoot + name})
	return err
}

func (b *bundle) stat(name string) (*filev1.FileInfo, error) {
	resp, err := b.client.Stat(b.t.Context(), &filev1.StatRequest{Path: guestRoot + name})
	return resp.GetInfo(), err
}

// requireFailure wants an error with the code want that tells the guest nothing
// of its host.
func (b *bundle) requireFailure(err error, want filev1.FileErr) {
	b.t.Helper()
	require.ErrorIs(b.t, err, status.Of(want))
	require.NotContains(b.t, err.Error(), b.root)
}

// newCaller returns a guest instance that no engine has made.
func newCaller(name string) eng.Caller {
	return eng.Caller{ID: id.New[id.HostKind](), Name: name}
}
