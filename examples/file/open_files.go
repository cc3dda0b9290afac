//go:build !wasip1

package file

import (
	"os"
	"sync"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// fileKey finds an open file. The guest is a part of the key, so the id of
// another guest's file is not refused: it does not exist.
type fileKey struct {
	owner id.HostId
	id    filev1parigot.FileId
}

// openFiles is the table of all open files of one engine. It is safe for
// concurrent use. Its lock is never held during input or output.
type openFiles struct {
	mu    sync.Mutex
	files map[fileKey]*openFile
	count map[id.HostId]uint32 // how many of files each owner has
}

func newOpenFiles() *openFiles {
	return &openFiles{files: map[fileKey]*openFile{}, count: map[id.HostId]uint32{}}
}

// add puts f into the table under a new id, unless the same file is there
// already in a way that excludes f, or the owner has limit files open.
func (t *openFiles) add(owner id.HostId, f *openFile, limit uint32) (fileKey, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.checkRoom(owner, limit); err != nil {
		return fileKey{}, err
	}
	if t.isInUse(f.info, f.writable) {
		return fileKey{}, alreadyInUse(f.path)
	}
	key := fileKey{owner: owner, id: filev1parigot.NewFileId()}
	t.files[key] = f
	t.count[owner]++
	return key, nil
}

// room fails with RESOURCE_EXHAUSTED when the owner has limit files open.
func (t *openFiles) room(owner id.HostId, limit uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.checkRoom(owner, limit)
}

// checkRoom is room for callers that hold the lock.
func (t *openFiles) checkRoom(owner id.HostId, limit uint32) error {
	if t.count[owner] >= limit {
		return status.Errorf(status.ResourceExhausted,
			"%d files are open, and the host allows no more: close one first", limit)
	}
	return nil
}

// inUse reports whether the file that info describes is open. With exclusive
// false, only one that is open for writing counts.
func (t *openFiles) inUse(info os.FileInfo, exclusive bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.isInUse(info, exclusive)
}

// isInUse is inUse for callers that hold the lock. It compares files and not
// paths: hard links, symbolic links and file systems that ignore case give one
// file many paths.
func (t *openFiles) isInUse(info os.FileInfo, exclusive bool) bool {
	for _, f := range t.files {
		if (exclusive || f.writable) && os.SameFile(f.info, info) {
			return true
		}
	}
	return false
}

// find returns the open file of key, or FileClosedError.
func (t *openFiles) find(key fileKey) (*openFile, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.files[key]
	if !ok {
		return nil, errFileClosed()
	}
	return f, nil
}

// remove forgets key. The caller has closed its file before, so that nobody
// gets the file while a last write is still going on.
func (t *openFiles) remove(key fileKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.files[key]; !ok {
		return
	}
	delete(t.files, key)
	t.count[key.owner]--
	if t.count[key.owner] == 0 {
		delete(t.count, key.owner)
	}
}

// keys returns the keys that want accepts, in no order.
func (t *openFiles) keys(want func(fileKey) bool) []fileKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []fileKey
	for key := range t.files {
		if want(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func alreadyInUse(path string) error {
	return status.Errorf(filev1.FileErr_AlreadyInUseError, "%s is open", path)
}
