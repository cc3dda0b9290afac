package preflight

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// hashPrefix starts the symbols by which Go's runtime compares packages.
const hashPrefix = "go:link.pkghashbytes."

// checkObject refuses a file that would end the process that maps it: one of another
// machine, or with segments behind its end. On systems without ELF it knows nothing.
func checkObject(f io.ReaderAt, size int64) error {
	if runtime.GOOS == "darwin" {
		return nil
	}
	object, err := elf.NewFile(f)
	if err != nil {
		return status.Wrap(status.FailedPrecondition, err, "the file is damaged or for another system: build it again")
	}
	host, err := openSelf()
	if err != nil {
		return status.Wrap(status.FailedPrecondition, err, "the host cannot read its own program, which a plugin is compared with")
	}
	defer func() { _ = host.Close() }() // nothing was written
	if object.Machine != host.Machine || object.Class != host.Class || object.Data != host.Data || object.Type != elf.ET_DYN {
		return status.Errorf(status.FailedPrecondition, "the file is a %s for %s, want a %s for %s: build it with GOARCH=%s", object.Type, object.Machine, elf.ET_DYN, host.Machine, runtime.GOARCH)
	}
	for _, p := range object.Progs {
		if end := p.Off + p.Filesz; p.Type != elf.PT_NULL && (end < p.Off || end > uint64(size)) {
			return status.Error(status.FailedPrecondition, "the file is truncated: build or copy it again")
		}
	}
	return nil
}

func openSelf() (*elf.File, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if runtime.GOOS == "linux" {
		path = "/proc/self/exe" // also when the file was replaced
	}
	return elf.Open(path)
}

// differentPackages returns the packages that both have in different forms, sorted,
// and whether both tell.
func differentPackages(f io.ReaderAt) (different []string, known bool) {
	plugin, err := elf.NewFile(f)
	if err != nil {
		return nil, false
	}
	host, err := openSelf()
	if err != nil {
		return nil, false
	}
	defer func() { _ = host.Close() }() // nothing was written
	mine, err := hashes(host)
	if err != nil || len(mine) == 0 {
		return nil, false
	}
	theirs, err := hashes(plugin)
	if err != nil || len(theirs) == 0 {
		return nil, false
	}
	for pkg, hash := range theirs {
		if own, ok := mine[pkg]; ok && own != hash {
			different = append(different, pkg)
		}
	}
	slices.Sort(different)
	return different, true
}

// hashes returns the hash of each package of a program or plugin.
func hashes(f *elf.File) (all map[string]string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the symbols are damaged: %v", p)
		}
	}()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	all = make(map[string]string)
	for _, s := range symbols {
		pkg, ok := strings.CutPrefix(s.Name, hashPrefix)
		if !ok || s.Size > 64 || int(s.Section) >= len(f.Sections) {
			continue
		}
		section := f.Sections[s.Section]
		if section.Type == elf.SHT_NOBITS || s.Value < section.Addr {
			continue
		}
		hash := make([]byte, s.Size)
		if _, err := section.ReadAt(hash, int64(s.Value-section.Addr)); err != nil {
			return nil, err
		}
		all[pkg] = string(hash)
	}
	return all, nil
}
