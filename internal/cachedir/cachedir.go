// Package cachedir keeps compiled guests in a directory that processes share.
//
// An entry is a directory with one file of wazero and its checksum, because wazero checks
// only a part of what it reads. Entries are written under another name and renamed when they are
// complete, and do not change afterwards.
package cachedir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// Draft makes a directory for wazero to write one file to. Give it to [Dir.Keep] or [Dir.Drop].
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

// seal writes the checksum of the file in a draft.
func seal(draft string) error {
	files, err := fs.Glob(os.DirFS(draft), "*/*")
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("wazero wrote %d files, want 1", len(files))
	}
	sum, err := checksum(filepath.Join(draft, files[0]))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(draft, sumsFile), []byte(sum+"  "+files[0]+"\n"), 0o600)
}

// verify compares the file of an entry with its checksum. With an error it returns the file that
// is wrong.
func verify(entry string) (file string, err error) {
	name := filepath.Join(entry, sumsFile)
	text, err := readHead(name)
	if err != nil {
		return name, err
	}
	want, file, found := strings.Cut(string(bytes.TrimSuffix(text, []byte("\n"))), "  ")
	if !found || !filepath.IsLocal(file) {
		return name, errors.New("it has no checksum")
	}
	file = filepath.Join(entry, file)
	sum, err := checksum(file)
	if err == nil && sum != want {
		err = errors.New("its checksum differs")
	}
	return file, err
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
