// Package cachedir keeps compiled guests in a directory that processes share.
//
// An entry is a directory with one file of wazero, files of the engine, and the checksums of all of
// them, because wazero checks only a part of what it reads. Entries are written under another name
// and renamed when they are complete, and do not change afterwards.
package cachedir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	entryPrefix = "guest-"
	draftPrefix = ".draft-"
	// sumsFile has the form of the program sha256sum. Its time is that of the last use.
	sumsFile = "SHA256SUMS"
	maxSums  = 4 << 10
	// draftAge is when a draft belongs to no process that still runs.
	draftAge = 24 * time.Hour
)

// Dir is a cache directory. Its methods are safe for concurrent use.
type Dir struct {
	path     string
	maxBytes int64
	maxAge   time.Duration
}

// Open makes the directory if it does not exist. [Dir.Sweep] removes entries that nobody used for
// maxAge, and those unused longest while all have more than maxBytes.
func Open(path string, maxBytes int64, maxAge time.Duration) (*Dir, error) {
	path, err := filepath.Abs(path) // the process may change its working directory
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return &Dir{path: path, maxBytes: maxBytes, maxAge: maxAge}, nil
}

func (d *Dir) entry(key string) string { return filepath.Join(d.path, entryPrefix+key) }

// DamageError says that an entry cannot be read, or does not have what was written. It has been
// removed, unless Err says why not.
type DamageError struct {
	File string // the damaged file
	Err  error
}

func (e *DamageError) Error() string { return e.File + " is damaged: " + e.Err.Error() }

func (e *DamageError) Unwrap() error { return e.Err }

// Find returns the directory of the entry for key, or "" if there is none.
func (d *Dir) Find(key string) (string, *DamageError) {
	entry := d.entry(key)
	if _, err := os.Stat(entry); err != nil {
		return "", nil //nolint:nilerr // Draft tells what is wrong with the directory
	}
	file, err := verify(entry)
	if err != nil {
		return "", &DamageError{File: file, Err: errors.Join(err, d.Remove(key))}
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(entry, sumsFile), now, now) // a directory that is read only has no uses to note
	return entry, nil
}

// Remove removes the entry for key. Another process that reads it at the same time finds all of it,
// or nothing.
func (d *Dir) Remove(key string) error {
	grave, err := os.MkdirTemp(d.path, draftPrefix)
	if err != nil {
		return err
	}
	err = os.Rename(d.entry(key), filepath.Join(grave, "removed"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // somebody else did
	}
	return errors.Join(err, os.RemoveAll(grave))
}

// Draft makes a directory for wazero to write one file to, below a directory of its own. Other files
// may lie beside that. Give it to [Dir.Keep] or [Dir.Drop].
func (d *Dir) Draft() (string, error) { return os.MkdirTemp(d.path, draftPrefix) }

// Drop removes a draft.
func (d *Dir) Drop(draft string) error { return os.RemoveAll(draft) }

// Keep makes a draft the entry for key. If another process did so first, it drops the draft.
func (d *Dir) Keep(draft, key string) error {
	if err := seal(draft); err != nil {
		return errors.Join(err, d.Drop(draft))
	}
	if err := os.Rename(draft, d.entry(key)); err != nil {
		if _, found := os.Stat(d.entry(key)); found == nil {
			err = nil
		}
		return errors.Join(err, d.Drop(draft))
	}
	return nil
}

// seal writes the checksums of the files in a draft.
func seal(draft string) error {
	names, err := files(draft)
	if err != nil {
		return err
	}
	if wazeros, _ := fs.Glob(os.DirFS(draft), "*/*"); len(wazeros) != 1 { // the pattern is a good one
		return fmt.Errorf("wazero wrote %d files, want 1", len(wazeros))
	}
	var text strings.Builder
	for _, name := range names {
		sum, err := checksum(filepath.Join(draft, name))
		if err != nil {
			return err
		}
		text.WriteString(sum + "  " + name + "\n")
	}
	return os.WriteFile(filepath.Join(draft, sumsFile), []byte(text.String()), 0o600)
}

// files returns the names of the files in an entry, in order, without that of the checksums.
func files(entry string) (names []string, err error) {
	dir := os.DirFS(entry)
	err = fs.WalkDir(dir, ".", func(name string, f fs.DirEntry, err error) error {
		if err == nil && !f.IsDir() && name != sumsFile {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// verify compares the files of an entry with their checksums. With an error it returns the file
// that is wrong.
func verify(entry string) (file string, err error) {
	sums := filepath.Join(entry, sumsFile)
	text, err := readHead(sums)
	if err != nil {
		return sums, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		want, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !found || !filepath.IsLocal(name) {
			return sums, errors.New("it has no checksum")
		}
		file := filepath.Join(entry, name)
		switch sum, err := checksum(file); {
		case err != nil:
			return file, err
		case sum != want:
			return file, errors.New("its checksum differs")
		}
		names = append(names, name)
	}
	found, err := files(entry)
	if err == nil && !slices.Equal(found, names) {
		err = fmt.Errorf("it has checksums of %q, and the files are %q", names, found)
	}
	return sums, err
}

func readHead(name string) (text []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, maxSums))
}

func checksum(name string) (sum string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}
