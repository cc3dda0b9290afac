//go:build !wasip1

package file

import (
	"os"
	"syscall"
)

// filePerm is to files what dirPerm is to directories.
const filePerm = 0o600

// openRegular opens a regular file, and nothing else. O_NONBLOCK keeps a named
// pipe without a peer from blocking the host for ever; the check comes after
// opening, so that nobody can exchange the file in between.
func openRegular(root *os.Root, name string, flag int) (*os.File, os.FileInfo, error) {
	file, err := root.OpenFile(name, flag|syscall.O_NONBLOCK, filePerm)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		_ = file.Close() // nothing was read or written
		return nil, nil, err
	}
	return file, info, nil
}

// statVisible is root.Stat for what exists to guests: regular files and
// directories.
func statVisible(root *os.Root, name string) (os.FileInfo, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return info, nil
}
