//go:build !wasip1

package file

import (
	"errors"
	"io/fs"
	"syscall"

	"google.golang.org/protobuf/reflect/protoreflect"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var (
	errNotRegular  = errors.New("no regular file")
	errNoDirectory = errors.New("no directory")
)

// nameError makes the error for a guest of what the operating system said about
// a name. The code is used when nothing else fits.
func (s *sandbox) nameError(caller eng.Caller, code protoreflect.Enum, guestPath string, err error) error {
	switch {
	case errors.Is(err, errNotRegular):
		return status.Errorf(code, "%s is %s", guestPath, err)
	case errors.Is(err, errNoDirectory):
		return status.Errorf(code, "a part of %s that should be a directory is none", guestPath)
	case code == filev1.FileErr_CreateError && errors.Is(err, syscall.EISDIR):
		return status.Errorf(code, "%s is a directory", guestPath)
	case code == filev1.FileErr_DeleteError && isNotEmpty(err):
		return status.Errorf(code, "the directory %s is not empty", guestPath)
	case code != filev1.FileErr_CreateError && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		return status.Errorf(filev1.FileErr_NotExistError, "nothing is at %s", guestPath)
	}
	return s.ioError(caller, code, guestPath, err)
}

// ioError logs what the operating system said, and makes the error for a guest
// of it: its own words about its own path. An error that has a code already is
// returned as it is.
func (s *sandbox) ioError(caller eng.Caller, code protoreflect.Enum, guestPath string, err error) error {
	if coded, ok := status.From(err); ok {
		return coded
	}
	s.logger.Warn("file: the operating system refused",
		"guest", caller.Name, "instance", caller.ID, "path", guestPath, "error", err)
	return status.Wrap(code, err, "the host failed on "+guestPath)
}

func errGone() error {
	return status.Error(status.Unavailable, "the host has closed its files")
}

func isNotEmpty(err error) bool {
	// Some systems say ENOTEMPTY and some EEXIST.
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist)
}
