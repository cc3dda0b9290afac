package eng

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/cpu"

	"github.com/iansmith/parigot/internal/compiler"
	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/internal/wasm"
)

// The files of an entry of the cache, beside wazero's.
const (
	moduleFile = compiler.ModuleFile // rewritten
	headFile   = "module.json"
)

// source has the source of what rewrites modules in this package.
//
//go:embed fuel.go module.go prepare.go readable.go
var source embed.FS

// rewriting names what the engine makes of a module, by all source that it depends on: a
// number of a version would be forgotten, and guests would run with the checks of yesterday.
var rewriting = sync.OnceValue(func() string {
	h := sha256.New()
	for _, f := range []embed.FS{source, fuel.Source, wasm.Source, visible.Source} {
		_ = fs.WalkDir(f, ".", func(name string, d fs.DirEntry, err error) error { // it is in memory
			if err == nil && !d.IsDir() {
				text, _ := f.ReadFile(name)
				_, _ = fmt.Fprintf(h, "%s %d %s", name, len(text), text)
			}
			return err
		})
	}
	return hex.EncodeToString(h.Sum(nil))
})

// head is what an entry says of its module.
type head struct {
	// Key is that of the entry, which may be a copy of another.
	Key string `json:"key"`
	// Starts and Memory are those of [fuel.Metered]. Memory is 0 for a trusted guest.
	Starts bool  `json:"starts"`
	Memory int64 `json:"memory"`
}

// entryKey names what a rewritten module and its machine code depend on.
func entryKey(key programKey) string {
	form, _ := wazeroForm() // openCache has seen that there is one
	h := sha256.New()
	// A hash takes all.
	_, _ = fmt.Fprintf(h, "%s %s %+v %+v\n%x %t %d", form, rewriting(), cpu.X86, cpu.ARM64, key.sum, key.trusted, key.pages)
	return hex.EncodeToString(h.Sum(nil))
}

// find returns the directory of an entry and its rewritten module. The directory is "" if there is
// none, or one that takes more memory to compile than it may. A damaged entry is removed.
func (c *cache) find(key programKey) (m fuel.Metered, entry string) {
	if c.dir == nil {
		return m, ""
	}
	name := entryKey(key)
	if _, refused := c.refused.Load(name); refused {
		return m, ""
	}
	entry, damage := c.dir.Find(name)
	switch {
	case damage != nil:
		c.damaged(damage.File, damage.Err)
		return m, ""
	case entry == "":
		return m, ""
	}
	m, err := readEntry(entry, name)
	switch {
	case err != nil:
		c.damaged(entry, errors.Join(err, c.dir.Remove(name)))
		return m, ""
	case m.Memory > c.host.config.compileMemory:
		return fuel.Metered{}, ""
	}
	return m, entry
}

// readEntry reads the files of an entry that are not wazero's.
func readEntry(entry, key string) (m fuel.Metered, err error) {
	text, err := os.ReadFile(filepath.Join(entry, headFile))
	if err != nil {
		return m, err
	}
	var about head
	if err := json.Unmarshal(text, &about); err != nil {
		return m, fmt.Errorf("%s: %w", headFile, err)
	}
	if about.Key != key || about.Memory < 0 {
		return m, fmt.Errorf("%s: it has the key %q and the memory %d, and cannot be that of the guest", headFile, about.Key, about.Memory)
	}
	module, err := os.ReadFile(filepath.Join(entry, moduleFile))
	return fuel.Metered{Module: module, Starts: about.Starts, Memory: about.Memory}, err
}

// begin makes a draft that has all of an entry but wazero's file.
func (c *cache) begin(key programKey, m fuel.Metered) (draft string, err error) {
	about := head{Key: entryKey(key), Starts: m.Starts, Memory: m.Memory}
	if key.trusted {
		about.Memory = 0 // it is what the host has
	}
	text, err := json.Marshal(about)
	if err == nil {
		draft, err = c.dir.Draft()
	}
	if err != nil {
		return "", err
	}
	err = os.WriteFile(filepath.Join(draft, headFile), text, 0o600)
	if err == nil {
		err = os.WriteFile(filepath.Join(draft, moduleFile), m.Module, 0o600)
	}
	if err != nil {
		return "", errors.Join(err, c.dir.Drop(draft))
	}
	return draft, nil
}
