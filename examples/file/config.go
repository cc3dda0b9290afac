//go:build !wasip1

package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
)

const (
	defaultMaxOpenFiles = 64
	defaultMaxIOBytes   = 1 << 20
	// largestMaxIOBytes keeps a response below the size that an engine lets
	// through by default. Above it, the bridge would refuse bytes that the file
	// already counts as read.
	largestMaxIOBytes = 32 << 20
)

// settings is a FileConfig that was checked, with its defaults filled in.
type settings struct {
	root         string
	maxOpenFiles uint32
	maxIOBytes   uint32
	testDataDirs []string
}

// newSettings checks cfg. Its errors are for whoever configures the host, and
// say what to do.
func newSettings(cfg *filev1.FileConfig) (settings, error) {
	s := settings{
		root:         cfg.GetRoot(),
		maxOpenFiles: cfg.GetMaxOpenFiles(),
		maxIOBytes:   cfg.GetMaxIoBytes(),
		testDataDirs: cfg.GetTestDataDirs(),
	}
	if s.root == "" {
		return settings{}, errors.New("file: FileConfig.root is not set: " +
			"set it to the directory of this host that is to hold the guests' files")
	}
	if err := checkDir("FileConfig.root", s.root); err != nil {
		return settings{}, err
	}
	if s.maxOpenFiles == 0 {
		s.maxOpenFiles = defaultMaxOpenFiles
	}
	if s.maxIOBytes == 0 {
		s.maxIOBytes = defaultMaxIOBytes
	}
	if s.maxIOBytes > largestMaxIOBytes {
		return settings{}, fmt.Errorf("file: FileConfig.max_io_bytes is %d: set it to at most %d",
			s.maxIOBytes, largestMaxIOBytes)
	}
	return s, s.checkTestDataDirs()
}

// checkTestDataDirs wants directories that exist and share nothing with the
// root: a copy of the root into itself would have no end, and could overwrite
// what it reads.
func (s *settings) checkTestDataDirs() error {
	for i, dir := range s.testDataDirs {
		field := fmt.Sprintf("FileConfig.test_data_dirs[%d]", i)
		if dir == "" {
			return fmt.Errorf("file: %s is empty: name a directory, or remove it", field)
		}
		if err := checkDir(field, dir); err != nil {
			return err
		}
		overlap, err := overlapping(s.root, dir)
		if err != nil {
			return fmt.Errorf("file: %s: %w", field, err)
		}
		if overlap {
			return fmt.Errorf("file: %s %q and FileConfig.root %q lie in one another: "+
				"keep test data in a directory of its own", field, dir, s.root)
		}
	}
	return nil
}

func checkDir(field, dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("file: %s %q does not exist: make it, or name another directory", field, dir)
	case err != nil:
		return fmt.Errorf("file: %s: %w", field, err)
	case !info.IsDir():
		return fmt.Errorf("file: %s %q is not a directory: name one", field, dir)
	}
	return nil
}

// overlapping reports whether one of the directories is the other or lies in
// it, whatever symbolic links lead there.
func overlapping(a, b string) (bool, error) {
	realA, err := realPath(a)
	if err != nil {
		return false, err
	}
	realB, err := realPath(b)
	if err != nil {
		return false, err
	}
	return contains(realA, realB) || contains(realB, realA), nil
}

func realPath(dir string) (string, error) {
	target, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	return filepath.Abs(target)
}

func contains(outer, inner string) bool {
	rel, err := filepath.Rel(outer, inner)
	return err == nil && filepath.IsLocal(rel)
}
