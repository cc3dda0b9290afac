//go:build !wasip1

package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// copyChunkBytes is how much is copied between two looks at the context.
const copyChunkBytes = 256 << 10

// testDataCopy is one call of LoadTestData.
type testDataCopy struct {
	ctx        context.Context // that of the call, which the copy does not outlive
	sandbox    *sandbox
	caller     eng.Caller
	source     *os.Root
	mount      string // where a guest will find what is in source
	stopAtFail bool
	chunk      []byte

	copied uint32
	failed []string // paths below source
}

// loadTestData copies a directory of the allow-list into the sandbox.
func (s *sandbox) loadTestData(ctx context.Context, caller eng.Caller, req *filev1.LoadTestDataRequest) (*testDataCopy, error) {
	if !slices.Contains(s.testDataDirs, req.GetDirPath()) {
		return nil, status.Error(status.PermissionDenied,
			"the host does not list this directory among its test data")
	}
	source, err := os.OpenRoot(req.GetDirPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoData()
	}
	if err != nil {
		return nil, s.ioError(caller, filev1.FileErr_InternalError, "the directory to copy", err)
	}
	defer func() { _ = source.Close() }() // was only read

	c := &testDataCopy{
		ctx: ctx, sandbox: s, caller: caller, source: source, mount: req.GetMountLocation(),
		stopAtFail: req.GetReturnOnFail(), chunk: make([]byte, copyChunkBytes),
	}
	// WalkDir goes in lexical order and follows no symbolic link.
	if err := fs.WalkDir(source.FS(), ".", c.visit); err != nil {
		return nil, err
	}
	if c.copied == 0 && len(c.failed) == 0 {
		return nil, errNoData()
	}
	return c, nil
}

// visit is the [fs.WalkDirFunc] that copies what is at name.
func (c *testDataCopy) visit(name string, entry fs.DirEntry, walkErr error) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	err := c.copyEntry(name, entry, walkErr)
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case c.stopAtFail || name == ".": // without the directory itself there is no copy
		return err
	}
	// A file system's name may be any bytes, a string of a message may not.
	c.failed = append(c.failed, strings.ToValidUTF8(name, "\uFFFD"))
	if entry != nil && entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func (c *testDataCopy) copyEntry(name string, entry fs.DirEntry, walkErr error) error {
	switch {
	case walkErr != nil:
		return c.sandbox.ioError(c.caller, filev1.FileErr_ReadError, c.target(name), walkErr)
	case entry.IsDir():
		return c.sandbox.makeDir(c.caller, c.target(name))
	case !entry.Type().IsRegular():
		return status.Errorf(filev1.FileErr_OpenError, "%q is %s", name, errNotRegular)
	}
	return c.copyFile(name)
}

// target returns the path that a guest will have for name.
func (c *testDataCopy) target(name string) string {
	if name == "." {
		return c.mount
	}
	return c.mount + "/" + name
}

// copyFile copies one file. When it fails, no half of the file stays.
func (c *testDataCopy) copyFile(name string) error {
	target := c.target(name)
	if _, err := checkPath(target); err != nil {
		return err
	}
	in, info, err := openRegular(c.source, name, os.O_RDONLY)
	if err != nil {
		return c.sandbox.nameError(c.caller, filev1.FileErr_OpenError, target, err)
	}
	defer func() { _ = in.Close() }() // was only read
	// It is no file that the guest opened, so the guest's limit is not asked.
	key, out, err := c.sandbox.acquire(c.caller, target, math.MaxUint32)
	if err != nil {
		return err
	}
	if os.SameFile(info, out.info) {
		_ = c.sandbox.release(key, out) // nothing was written
		return status.Errorf(filev1.FileErr_AlreadyInUseError, "%s is the file to copy itself", target)
	}
	err = c.fill(out, in)
	if err != nil {
		c.sandbox.discard(c.caller, target)
	}
	if closeErr := c.sandbox.release(key, out); err == nil && closeErr != nil {
		return c.sandbox.ioError(c.caller, filev1.FileErr_WriteError, target, closeErr)
	}
	if err == nil {
		c.copied++
	}
	return err
}

// fill replaces what is in out by what is in in.
func (c *testDataCopy) fill(out *openFile, in io.Reader) error {
	if err := out.truncate(); err != nil {
		return c.sandbox.ioError(c.caller, filev1.FileErr_WriteError, out.path, err)
	}
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(c.chunk)
		if n > 0 {
			if err := out.writeNext(c.chunk[:n]); err != nil {
				return c.sandbox.ioError(c.caller, filev1.FileErr_WriteError, out.path, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.sandbox.ioError(c.caller, filev1.FileErr_ReadError, out.path, err)
		}
	}
}

// makeDir makes a directory and those above it, unless they are there.
func (s *sandbox) makeDir(caller eng.Caller, guestPath string) error {
	name, err := checkPath(guestPath)
	if err != nil {
		return err
	}
	s.names.Lock()
	defer s.names.Unlock()
	if s.closed {
		return errGone()
	}
	if err := s.makeDirs(name); err != nil {
		return s.nameError(caller, filev1.FileErr_CreateError, guestPath, err)
	}
	return nil
}

// discard removes a file that could not be copied to its end. The caller has it
// open still, so nobody else can have begun to use it.
func (s *sandbox) discard(caller eng.Caller, guestPath string) {
	name, err := checkPath(guestPath)
	if err != nil {
		return
	}
	s.names.Lock()
	defer s.names.Unlock()
	if err := s.root.Remove(name); err != nil {
		// The failure to report is the one that made the file worthless.
		_ = s.ioError(caller, filev1.FileErr_DeleteError, guestPath, err)
	}
}

func errNoData() error {
	return status.Error(filev1.FileErr_NoDataFoundError, "the directory holds no file")
}
