package runner

import (
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/iansmith/parigot/internal/preflight"
)

// plugin fills in what is in a Go shared object.
func (i *inspection) plugin(file string) error {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return fmt.Errorf("it is neither a WebAssembly module nor a program of Go: %w", err)
	}
	i.GoVersion, i.GoPackage = info.GoVersion, info.Path
	for _, m := range info.Deps {
		mod := moduleInfo{Path: m.Path, Version: m.Version}
		if m.Replace != nil {
			mod.Replacement = strings.TrimSpace(m.Replace.Path + " " + m.Replace.Version)
		}
		i.Modules = append(i.Modules, mod)
	}
	if info.Main.Path != "" {
		i.Modules = slices.Insert(i.Modules, 0, moduleInfo{Path: info.Main.Path, Version: info.Main.Version})
	}
	i.Settings = map[string]string{}
	for _, s := range info.Settings {
		i.Settings[s.Key] = s.Value
	}
	symbols, err := symbolsOf(file)
	if err != nil {
		return err
	}
	for _, s := range symbols {
		// Package main of a plugin is called by its import path, or by a hash.
		if name, ok := strings.CutPrefix(s, info.Path+"."); ok && isExported(name) {
			i.Exports = append(i.Exports, name)
		} else if rest, ok := strings.CutPrefix(s, "plugin/unnamed-"); ok {
			if _, name, ok := strings.Cut(rest, "."); ok && isExported(name) {
				i.Exports = append(i.Exports, name)
			}
		}
	}
	slices.Sort(i.Exports)
	i.Exports = slices.Compact(i.Exports)
	i.Fit = fitOf(file)
	return nil
}

func fitOf(file string) *fitInfo {
	err := preflight.Check(file)
	if refusal, ok := errors.AsType[*preflight.RefusalError](err); ok {
		return &fitInfo{Why: refusal.Differences, Command: refusal.Command}
	}
	if err != nil {
		return &fitInfo{Why: []string{err.Error()}}
	}
	return &fitInfo{Loads: true}
}

func (f *fitInfo) text(w io.Writer) {
	if f.Loads {
		writeLine(w, "loads in this program")
		return
	}
	writeLine(w, "does not load in this program:")
	for _, why := range f.Why {
		writeLine(w, "  %s", why)
	}
	if f.Command != "" {
		writeLine(w, "in its module, this builds one that does:\n  %s", f.Command)
	}
}

// isExported tells whether a symbol of a package can be looked up in a plugin: a
// variable or a function with a capital, and no method or closure of one.
func isExported(name string) bool {
	return name != "" && 'A' <= name[0] && name[0] <= 'Z' && !strings.ContainsAny(name, ".[(·")
}

func symbolsOf(file string) ([]string, error) {
	var names []string
	if f, err := elf.Open(file); err == nil {
		defer func() { _ = f.Close() }() // it was only read
		symbols, err := f.DynamicSymbols()
		if errors.Is(err, elf.ErrNoSymbols) {
			err = nil
		}
		for _, s := range symbols {
			names = append(names, s.Name)
		}
		return names, err
	}
	if f, err := macho.Open(file); err == nil {
		defer func() { _ = f.Close() }() // it was only read
		if f.Symtab != nil {
			for _, s := range f.Symtab.Syms {
				names = append(names, strings.TrimPrefix(s.Name, "_"))
			}
		}
	}
	return names, nil
}
