//go:build !wasip1

package file

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// The limits of the modelled service: small, so that they are met often.
const (
	modelMaxOpen = 3
	modelMaxIO   = 4
)

// model is what the service should be: files in memory.
type model struct {
	nodes map[string]*node // by name; "." is the root
	open  map[fileKey]*handle
}

type node struct {
	isDir   bool
	content []byte
}

type handle struct {
	node     *node
	offset   int
	writable bool
}

func newModel() *model {
	return &model{nodes: map[string]*node{".": {isDir: true}}, open: map[fileKey]*handle{}}
}

func parents(name string) []string {
	var dirs []string
	for i, c := range name {
		if c == '/' {
			dirs = append(dirs, name[:i])
		}
	}
	return dirs
}

func (m *model) full(c eng.Caller) bool {
	n := 0
	for key := range m.open {
		if key.owner == c.ID {
			n++
		}
	}
	return n == modelMaxOpen
}

func (m *model) inUse(n *node, exclusive bool) bool {
	for _, h := range m.open {
		if h.node == n && (exclusive || h.writable) {
			return true
		}
	}
	return false
}

// openError returns the error that opening name should have, nil for none.
func (m *model) openError(c eng.Caller, name string) protoreflect.Enum {
	n := m.nodes[name]
	switch {
	case n == nil:
		return filev1.FileErr_NotExistError
	case n.isDir:
		return filev1.FileErr_OpenError
	case m.full(c):
		return status.ResourceExhausted
	case m.inUse(n, false):
		return filev1.FileErr_AlreadyInUseError
	}
	return nil
}

// create makes the directories above name and returns the error that creating
// it should have.
func (m *model) create(c eng.Caller, name string) protoreflect.Enum {
	if m.full(c) {
		return status.ResourceExhausted
	}
	for _, dir := range parents(name) {
		if n := m.nodes[dir]; n != nil && !n.isDir {
			return filev1.FileErr_CreateError
		}
		m.nodes[dir] = &node{isDir: true}
	}
	n := m.nodes[name]
	switch {
	case n == nil:
		m.nodes[name] = &node{}
	case n.isDir:
		return filev1.FileErr_CreateError
	case m.inUse(n, true):
		return filev1.FileErr_AlreadyInUseError
	default:
		n.content = nil
	}
	return nil
}

func (m *model) remove(name string) protoreflect.Enum {
	n := m.nodes[name]
	if n == nil {
		return filev1.FileErr_NotExistError
	}
	if m.inUse(n, true) {
		return filev1.FileErr_AlreadyInUseError
	}
	for other := range m.nodes {
		if strings.HasPrefix(other, name+"/") {
			return filev1.FileErr_DeleteError
		}
	}
	delete(m.nodes, name)
	return nil
}

func (m *model) read(key fileKey, limit uint32) ([]byte, protoreflect.Enum) {
	h := m.open[key]
	switch {
	case h == nil:
		return nil, filev1.FileErr_FileClosedError
	case limit > modelMaxIO:
		return nil, filev1.FileErr_LargeBufError
	case h.offset >= len(h.node.content):
		return nil, filev1.FileErr_EOFError
	case limit == 0:
		limit = modelMaxIO
	}
	data := h.node.content[h.offset:min(h.offset+int(limit), len(h.node.content))]
	h.offset += len(data)
	return data, nil
}

func (m *model) write(key fileKey, data []byte) protoreflect.Enum {
	h := m.open[key]
	switch {
	case h == nil:
		return filev1.FileErr_FileClosedError
	case len(data) > modelMaxIO:
		return filev1.FileErr_LargeBufError
	case !h.writable:
		return filev1.FileErr_WriteError
	}
	h.node.content = append(h.node.content[:h.offset:h.offset], data...)
	h.offset += len(data)
	return nil
}

// machine runs the service and the model side by side.
type machine struct {
	*model
	t       *rapid.T
	sandbox *sandbox
	callers []eng.Caller
	keys    []fileKey // also those that were closed
}

func (m *machine) caller() eng.Caller {
	return rapid.SampledFrom(m.callers).Draw(m.t, "caller")
}

func (m *machine) name() string {
	return rapid.SampledFrom([]string{"a", "b", "d", "d/a", "d/e/a", "a/x"}).Draw(m.t, "name")
}

// key returns a key that was given out, or the same id with another owner.
func (m *machine) key() (eng.Caller, fileKey) {
	c := m.caller()
	if len(m.keys) == 0 {
		return c, fileKey{owner: c.ID}
	}
	key := rapid.SampledFrom(m.keys).Draw(m.t, "key")
	if rapid.IntRange(0, 3).Draw(m.t, "steal") > 0 {
		return eng.Caller{ID: key.owner}, key
	}
	return c, fileKey{owner: c.ID, id: key.id}
}

func (m *machine) same(want protoreflect.Enum, err error) {
	if want == nil {
		require.NoError(m.t, err)
		return
	}
	require.ErrorIs(m.t, err, status.Of(want))
}

func (m *machine) enter(key fileKey, name string, writable bool) {
	require.NotContains(m.t, m.keys, key)
	m.keys = append(m.keys, key)
	m.open[key] = &handle{node: m.nodes[name], writable: writable}
}

func (m *machine) doOpen(*rapid.T) {
	c, name := m.caller(), m.name()
	want := m.openError(c, name)
	key, err := m.sandbox.open(c, guestRoot+name)
	m.same(want, err)
	if err == nil {
		m.enter(key, name, false)
	}
}

func (m *machine) doCreate(*rapid.T) {
	c, name := m.caller(), m.name()
	want := m.create(c, name)
	key, err := m.sandbox.create(c, guestRoot+name)
	m.same(want, err)
	if err == nil {
		m.enter(key, name, true)
	}
}

func (m *machine) doClose(*rapid.T) {
	c, key := m.key()
	var want protoreflect.Enum
	if m.open[key] == nil {
		want = filev1.FileErr_FileClosedError
	}
	m.same(want, m.sandbox.closeFile(c, key))
	delete(m.open, key)
}

func (m *machine) doRead(*rapid.T) {
	c, key := m.key()
	limit := rapid.Uint32Range(0, modelMaxIO+1).Draw(m.t, "limit")
	wantData, want := m.read(key, limit)
	data, err := m.sandbox.read(c, key, limit)
	m.same(want, err)
	require.Equal(m.t, string(wantData), string(data))
}

func (m *machine) doWrite(*rapid.T) {
	c, key := m.key()
	data := rapid.SliceOfN(rapid.Byte(), 0, modelMaxIO+1).Draw(m.t, "data")
	m.same(m.write(key, data), m.sandbox.write(c, key, data))
}

func (m *machine) doDelete(*rapid.T) {
	c, name := m.caller(), m.name()
	m.same(m.remove(name), m.sandbox.remove(c, guestRoot+name))
}

func (m *machine) doStat(*rapid.T) {
	name := m.name()
	info, err := m.sandbox.stat(m.caller(), guestRoot+name)
	n := m.nodes[name]
	if n == nil {
		m.same(filev1.FileErr_NotExistError, err)
		return
	}
	require.NoError(m.t, err)
	require.Equal(m.t, n.isDir, info.IsDir())
	if !n.isDir {
		require.EqualValues(m.t, len(n.content), info.Size())
	}
}

// doExit ends a guest and starts it again: as an instance with another id.
func (m *machine) doExit(*rapid.T) {
	i := rapid.IntRange(0, len(m.callers)-1).Draw(m.t, "guest")
	m.sandbox.closeGuest(context.Background(), m.callers[i])
	for key := range m.open {
		if key.owner == m.callers[i].ID {
			delete(m.open, key)
		}
	}
	m.callers[i] = newCaller("again")
}

// check compares what is on disk and in the table with the model.
func (m *machine) check(*rapid.T) {
	require.Len(m.t, m.sandbox.files.files, len(m.open))
	for name, n := range m.nodes {
		if n.isDir {
			continue
		}
		data, err := m.sandbox.root.ReadFile(name)
		require.NoError(m.t, err)
		require.Equal(m.t, string(n.content), string(data), name)
	}
}

// The service does what the model does, whatever two guests call in whatever
// order.
func TestServiceAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s, err := newSettings(&filev1.FileConfig{Root: t.TempDir(), MaxOpenFiles: modelMaxOpen, MaxIoBytes: modelMaxIO})
		require.NoError(rt, err)
		box, err := newSandbox(s, slog.New(slog.DiscardHandler))
		require.NoError(rt, err)
		defer func() { require.NoError(rt, box.close(context.Background())) }()

		m := &machine{model: newModel(), t: rt, sandbox: box, callers: []eng.Caller{newCaller("alice"), newCaller("bob")}}
		rt.Repeat(map[string]func(*rapid.T){
			"":     m.check,
			"open": m.doOpen, "create": m.doCreate, "close": m.doClose, "read": m.doRead,
			"write": m.doWrite, "delete": m.doDelete, "stat": m.doStat, "exit": m.doExit,
		})
	})
}
