package cachedir

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// use is when an entry was used, and what it takes.
type use struct {
	key   string
	last  time.Time
	bytes int64
}

// Sweep removes what is old: drafts that a process left, entries that nobody used for long, and
// those unused longest while all of them are too large. It touches nothing that the cache did not make.
func (d *Dir) Sweep() error {
	now := time.Now()
	found, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	var entries []use
	var errs []error
	for _, f := range found {
		info, err := f.Info()
		if err != nil || !f.IsDir() {
			continue // another process has removed it, or it is not ours
		}
		if key, ok := strings.CutPrefix(f.Name(), entryPrefix); ok {
			entries = append(entries, d.use(key, info))
		} else if strings.HasPrefix(f.Name(), draftPrefix) && now.Sub(info.ModTime()) > draftAge {
			errs = append(errs, os.RemoveAll(filepath.Join(d.path, f.Name())))
		}
	}
	slices.SortFunc(entries, func(a, b use) int { return cmp.Or(b.last.Compare(a.last), cmp.Compare(a.key, b.key)) })
	total := int64(0)
	for i, e := range entries { // the latest first, which always stays
		total += e.bytes
		if i > 0 && (total > d.maxBytes || now.Sub(e.last) > d.maxAge) {
			errs = append(errs, d.Remove(e.key))
		}
	}
	return errors.Join(errs...)
}

func (d *Dir) use(key string, dir fs.FileInfo) use {
	u := use{key: key, last: dir.ModTime()}
	// What cannot be read counts as far as it can: the walk has no other errors.
	_ = filepath.WalkDir(d.entry(key), func(_ string, f fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		if info, err := f.Info(); err == nil && info.Mode().IsRegular() {
			u.bytes += info.Size()
			if f.Name() == sumsFile {
				u.last = info.ModTime()
			}
		}
		return nil
	})
	return u
}
