//go:build !wasip1

package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"sync"
	"syscall"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// dirPerm and filePerm give guests' files to the user that runs the host, and to
// nobody else.
const dirPerm = 0o700

// sandbox is the directory that the guests of one engine share, and the files
// they have open in it. It is safe for concurrent use.
//
// Every access goes through root, which no symbolic link and no directory
// moved at the wrong moment can lead out of.
type sandbox struct {
	settings
	root   *os.Root
	logger *slog.Logger
	files  *openFiles

	// names orders what depends on which files are open (shared: Open and
	// Stat; exclusive: what makes or removes names), so that no file vanishes
	// between being found and being entered into files. It is not held while
	// bytes are read or written.
	names  sync.RWMutex
	closed bool // guarded by names
}

func newSandbox(s settings, logger *slog.Logger) (*sandbox, error) {
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return nil, fmt.Errorf("file: FileConfig.root %q cannot be opened: let the host's user read and enter it: %w", s.root, err)
	}
	return &sandbox{settings: s, root: root, logger: logger, files: newOpenFiles()}, nil
}

// open opens a file for reading.
func (s *sandbox) open(caller eng.Caller, guestPath string) (fileKey, error) {
	name, err := checkPath(guestPath)
	if err != nil {
		return fileKey{}, err
	}
	s.names.RLock()
	defer s.names.RUnlock()
	if s.closed {
		return fileKey{}, errGone()
	}
	file, info, err := openRegular(s.root, name, os.O_RDONLY)
	if err != nil {
		return fileKey{}, s.nameError(caller, filev1.FileErr_OpenError, guestPath, err)
	}
	key, err := s.files.add(caller.ID, &openFile{path: guestPath, info: info, file: file}, s.maxOpenFiles)
	if err != nil {
		_ = file.Close() // was opened for reading: nothing can be lost
		return fileKey{}, err
	}
	return key, nil
}

// create opens a file for reading and writing, and empties it.
func (s *sandbox) create(caller eng.Caller, guestPath string) (fileKey, error) {
	key, f, err := s.acquire(caller, guestPath, s.maxOpenFiles)
	if err != nil {
		return fileKey{}, err
	}
	if err := f.truncate(); err != nil {
		_ = s.release(key, f) // the failure to report is the first one
		return fileKey{}, s.ioError(caller, filev1.FileErr_CreateError, guestPath, err)
	}
	return key, nil
}

// acquire opens a file for writing, makes it and the directories above it when
// they do not exist, and enters it into the table. It does not empty the file:
// before it is known that nobody else uses it, nothing of it may change.
func (s *sandbox) acquire(caller eng.Caller, guestPath string, limit uint32) (fileKey, *openFile, error) {
	name, err := checkPath(guestPath)
	if err != nil {
		return fileKey{}, nil, err
	}
	s.names.Lock()
	defer s.names.Unlock()
	if s.closed {
		return fileKey{}, nil, errGone()
	}
	// Before anything is made on disk.
	if err := s.files.room(caller.ID, limit); err != nil {
		return fileKey{}, nil, err
	}
	file, info, err := s.openForWriting(name)
	if err != nil {
		return fileKey{}, nil, s.nameError(caller, filev1.FileErr_CreateError, guestPath, err)
	}
	f := &openFile{path: guestPath, info: info, file: file, writable: true}
	key, err := s.files.add(caller.ID, f, limit)
	if err != nil {
		_ = file.Close() // nothing was written
		return fileKey{}, nil, err
	}
	return key, f, nil
}

func (s *sandbox) openForWriting(name string) (*os.File, os.FileInfo, error) {
	if err := s.makeDirs(path.Dir(name)); err != nil {
		return nil, nil, err
	}
	return openRegular(s.root, name, os.O_RDWR|os.O_CREATE)
}

// makeDirs makes the directory name and those above it, unless they are there.
func (s *sandbox) makeDirs(name string) error {
	err := s.root.MkdirAll(name, dirPerm)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) {
		return errNoDirectory
	}
	return err
}

// release closes a file and takes it out of the table, in this order.
func (s *sandbox) release(key fileKey, f *openFile) error {
	err := f.close()
	s.files.remove(key)
	return err
}

// closeFile closes an open file of the caller.
func (s *sandbox) closeFile(caller eng.Caller, key fileKey) error {
	f, err := s.files.find(key)
	if err != nil {
		return err
	}
	if err := s.release(key, f); err != nil {
		return s.ioError(caller, filev1.FileErr_InternalError, f.path, err)
	}
	return nil
}

// read returns at most limit bytes, or as many as the host allows when limit is
// 0.
func (s *sandbox) read(caller eng.Caller, key fileKey, limit uint32) ([]byte, error) {
	f, err := s.files.find(key)
	if err != nil {
		return nil, err
	}
	if err := s.checkSize(uint64(limit)); err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = s.maxIOBytes
	}
	data, err := f.readNext(limit)
	if errors.Is(err, io.EOF) {
		return nil, status.Errorf(filev1.FileErr_EOFError, "no bytes of %s follow", f.path)
	}
	if err != nil {
		return nil, s.ioError(caller, filev1.FileErr_ReadError, f.path, err)
	}
	return data, nil
}

// write writes all of data.
func (s *sandbox) write(caller eng.Caller, key fileKey, data []byte) error {
	f, err := s.files.find(key)
	if err != nil {
		return err
	}
	if err := s.checkSize(uint64(len(data))); err != nil {
		return err
	}
	if err := f.writeNext(data); err != nil {
		return s.ioError(caller, filev1.FileErr_WriteError, f.path, err)
	}
	return nil
}

func (s *sandbox) checkSize(n uint64) error {
	if n > uint64(s.maxIOBytes) {
		return status.Errorf(filev1.FileErr_LargeBufError,
			"%d bytes in one call are more than the %d that the host allows", n, s.maxIOBytes)
	}
	return nil
}

// remove removes a file that nobody has open, or an empty directory.
func (s *sandbox) remove(caller eng.Caller, guestPath string) error {
	name, err := checkPath(guestPath)
	if err != nil {
		return err
	}
	s.names.Lock()
	defer s.names.Unlock()
	if s.closed {
		return errGone()
	}
	info, err := statVisible(s.root, name)
	if err == nil {
		if s.files.inUse(info, true) {
			return alreadyInUse(guestPath)
		}
		err = s.root.Remove(name)
	}
	if err != nil {
		return s.nameError(caller, filev1.FileErr_DeleteError, guestPath, err)
	}
	return nil
}

// stat tells what is at a path.
func (s *sandbox) stat(caller eng.Caller, guestPath string) (os.FileInfo, error) {
	name, err := checkPath(guestPath)
	if err != nil {
		return nil, err
	}
	s.names.RLock()
	defer s.names.RUnlock()
	if s.closed {
		return nil, errGone()
	}
	info, err := statVisible(s.root, name)
	if err != nil {
		return nil, s.nameError(caller, filev1.FileErr_OpenError, guestPath, err)
	}
	return info, nil
}

// closeGuest closes what a guest that ended had open.
func (s *sandbox) closeGuest(_ context.Context, c eng.Caller) {
	for _, key := range s.files.keys(func(k fileKey) bool { return k.owner == c.ID }) {
		// What a failed close is worth to know, closeFile has logged; the guest
		// that could be told is gone.
		_ = s.closeFile(c, key)
	}
}

// close closes all open files and the directory. Calls that come later fail
// with UNAVAILABLE.
func (s *sandbox) close(context.Context) error {
	s.names.Lock()
	defer s.names.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, key := range s.files.keys(func(fileKey) bool { return true }) {
		f, err := s.files.find(key)
		if err == nil {
			err = s.release(key, f)
		}
		if !errors.Is(err, errFileClosed()) { // its guest was faster
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.root.Close())...)
}
