package runner

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/visible"
)

// writeLine writes a line. What it says is escaped: names in a file are what its author likes.
func writeLine(w io.Writer, format string, args ...any) {
	for i, a := range args {
		switch a := a.(type) {
		case string:
			args[i] = visible.Text(a)
		case fmt.Stringer:
			args[i] = visible.Text(a.String())
		}
	}
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

// topPackages is how many packages are shown to people.
const topPackages = 12

func (i *inspection) text(w io.Writer) {
	line := func(format string, args ...any) { writeLine(w, format, args...) }
	line("%s: a %s of %s", i.File, i.Kind, humanize.Bytes(uint64(i.Size)))
	if i.GoVersion != "" {
		line("built by %s from %s", i.GoVersion, i.GoPackage)
	}
	if len(i.Modules) > 0 {
		line("modules")
	}
	for _, m := range i.Modules {
		line("  %s %s", m.Path, m)
	}
	if len(i.Settings) > 0 {
		line("settings")
	}
	for _, key := range slices.Sorted(maps.Keys(i.Settings)) {
		line("  %s=%s", key, i.Settings[key])
	}
	if len(i.Imports) > 0 {
		line("imports")
	}
	for _, m := range i.Imports {
		line("  %s: %s", m.Module, strings.Join(m.Functions, ", "))
	}
	line("exports\n  %s", strings.Join(i.Exports, ", "))
	if i.Kind == "guest" {
		i.guestText(w)
	}
	if i.Fit != nil {
		i.Fit.text(w)
	}
	for _, note := range i.Notes {
		line("note: %s", note)
	}
}

func (i *inspection) guestText(w io.Writer) {
	line := func(format string, args ...any) { writeLine(w, format, args...) }
	if i.Memory == nil {
		line("no memory")
	} else {
		line("memory\n  %s", i.Memory)
	}
	line("sections")
	writeSizes(w, i.Sections)
	if len(i.Packages) > 0 {
		line("code by package")
	}
	writeSizes(w, i.Packages[:min(topPackages, len(i.Packages))])
	if len(i.Packages) > topPackages {
		rest := 0
		for _, p := range i.Packages[topPackages:] {
			rest += p.Size
		}
		writeSizes(w, []sizeInfo{{fmt.Sprintf("%d others", len(i.Packages)-topPackages), rest}})
	}
	m := i.contract.Proto()
	if i.ContractSection {
		line("contract: version %d of the ABI, parigot %s", m.GetAbiVersion(), m.GetParigotVersion())
	} else {
		line("no contract: build it with \"parigot guest build\", and it would have")
	}
	writeServices(w, m.GetServices())
}

func writeSizes(w io.Writer, sizes []sizeInfo) {
	for _, s := range sizes {
		writeLine(w, "  %8s  %s", humanize.Bytes(uint64(s.Size)), s.Name)
	}
}

func (m *memoryInfo) String() string {
	switch {
	case m == nil:
		return "none"
	case m.Max == 0:
		return humanize.IBytes(m.Min) + ", and as much more as the host allows"
	}
	return humanize.IBytes(m.Min) + " to " + humanize.IBytes(m.Max)
}

// changes are what inspect --diff shows. Its JSON is documented in docs/guests.md, as
// that of inspection.
type changes struct {
	Old string `json:"old"`
	New string `json:"new"`
	// Incompatible are messages that do not fit each other, a sentence for each.
	Incompatible []string `json:"incompatible"`
	// Imports and Exports that came start with "+", those that went with "-".
	Imports []string `json:"imports"`
	Exports []string `json:"exports"`
	// Versions are the changes of Go, modules and settings: "example.com/a: v1.0.0, now v1.1.0".
	Versions []string `json:"versions"`
	// Sizes are what became larger or smaller, in bytes, the largest change first. The
	// first one is the file.
	Sizes []sizeInfo `json:"sizes"`
}

// difference returns what changed from old to i.
func difference(old, i *inspection) *changes {
	d := &changes{Old: old.File, New: i.File, Incompatible: []string{}}
	d.Imports = changedNames(importNames(old), importNames(i))
	d.Exports = changedNames(old.Exports, i.Exports)
	d.Versions = changedValues(versions(old), versions(i))
	d.Sizes = append([]sizeInfo{{"file", int(i.Size - old.Size)}}, changedSizes(old, i)...)
	if old.contract != nil && i.contract != nil {
		for _, p := range old.contract.CompareContract(i.contract) {
			d.Incompatible = append(d.Incompatible, incompatible(p))
		}
	}
	return d
}

func incompatible(p contract.Problem) string {
	return fmt.Sprintf("%s: %s", p.Method, p.Difference)
}

func importNames(i *inspection) []string {
	var names []string
	for _, m := range i.Imports {
		for _, f := range m.Functions {
			names = append(names, m.Module+"."+f)
		}
	}
	return names
}

func changedNames(old, now []string) []string {
	changed := []string{}
	for _, name := range now {
		if !slices.Contains(old, name) {
			changed = append(changed, "+"+name)
		}
	}
	for _, name := range old {
		if !slices.Contains(now, name) {
			changed = append(changed, "-"+name)
		}
	}
	return changed
}

func versions(i *inspection) map[string]string {
	all := maps.Clone(i.Settings)
	if all == nil {
		all = map[string]string{}
	}
	all["go"] = i.GoVersion
	for _, m := range i.Modules {
		all[m.Path] = m.String()
	}
	return all
}

func changedValues(old, now map[string]string) []string {
	changed := []string{}
	all := maps.Clone(old)
	maps.Copy(all, now)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		before, had := old[key]
		after, has := now[key]
		switch {
		case !had:
			changed = append(changed, fmt.Sprintf("%s: %s, new", key, after))
		case !has:
			changed = append(changed, fmt.Sprintf("%s: %s, now gone", key, before))
		case before != after:
			changed = append(changed, fmt.Sprintf("%s: %s, now %s", key, before, after))
		}
	}
	return changed
}

func changedSizes(old, i *inspection) []sizeInfo {
	sizes := map[string]int{}
	for _, s := range append(slices.Clone(i.Sections), i.Packages...) {
		sizes[s.Name] += s.Size
	}
	for _, s := range append(slices.Clone(old.Sections), old.Packages...) {
		sizes[s.Name] -= s.Size
	}
	maps.DeleteFunc(sizes, func(_ string, size int) bool { return size == 0 })
	changed := bySize(sizes)
	slices.SortStableFunc(changed, func(a, b sizeInfo) int { return max(b.Size, -b.Size) - max(a.Size, -a.Size) })
	return changed
}

func (d *changes) text(w io.Writer) {
	line := func(format string, args ...any) { writeLine(w, format, args...) }
	line("from %s to %s", d.Old, d.New)
	for _, part := range []struct {
		title string
		lines []string
	}{{"incompatible", d.Incompatible}, {"imports", d.Imports}, {"exports", d.Exports}, {"versions", d.Versions}} {
		if len(part.lines) > 0 {
			line("%s", part.title)
		}
		for _, what := range part.lines {
			line("  %s", what)
		}
	}
	line("sizes")
	for _, s := range d.Sizes[:min(topPackages, len(d.Sizes))] {
		sign := "+"
		if s.Size < 0 {
			sign = "-"
		}
		line("  %9s  %s", sign+humanize.Bytes(uint64(max(s.Size, -s.Size))), s.Name)
	}
}
