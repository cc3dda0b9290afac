package preflight

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// hardSettings make a plugin unusable when they differ. Those in softSettings can,
// and are named only when the packages of the two differ.
var (
	hardSettings = []string{"GOOS", "GOARCH", "-race", "-msan", "-asan", "-trimpath", "GOEXPERIMENT"}
	softSettings = []string{"-gcflags", "-tags", "-cover", "-covermode", "-coverpkg", "CGO_CFLAGS"}
)

// differences are lines for a person.
type differences struct{ hard, soft []string }

// compare returns what differs in how host and plugin were built. It is stricter than
// the runtime, which loads a plugin of another patch release of Go.
func compare(host, plugin *debug.BuildInfo) differences {
	var d differences
	if host.GoVersion != plugin.GoVersion {
		d.hard = append(d.hard, fmt.Sprintf("toolchain: host %s, plugin %s: build the plugin with GOTOOLCHAIN=%s", host.GoVersion, plugin.GoVersion, toolchain(host)))
	}
	d.hard = append(d.hard, compareSettings(host, plugin, hardSettings)...)
	d.soft = append(d.soft, compareSettings(host, plugin, softSettings)...)
	theirs := modules(plugin)
	for _, mine := range host.Deps {
		if other, ok := theirs[mine.Path]; ok && name(mine) != name(other) {
			d.hard = append(d.hard, fmt.Sprintf("module %s: host %s, plugin %s: in the plugin's module, go get %s@%s", mine.Path, name(mine), name(other), mine.Path, mine.Version))
		}
	}
	if other, ok := theirs[host.Main.Path]; ok {
		d.soft = append(d.soft, fmt.Sprintf("module %s: the host was built inside of it, the plugin with %s: build the plugin inside of it too, or install the host as a released version", host.Main.Path, name(other)))
	}
	for _, mine := range host.Deps {
		if mine.Path == plugin.Main.Path {
			d.soft = append(d.soft, fmt.Sprintf("module %s: the host was built with %s, the plugin inside of it: build the host inside of it too, or the plugin in a module of its own that requires that version", mine.Path, name(mine)))
		}
	}
	return d
}

func compareSettings(host, plugin *debug.BuildInfo, keys []string) (lines []string) {
	for _, key := range keys {
		if mine, other := setting(host, key), setting(plugin, key); mine != other {
			lines = append(lines, fmt.Sprintf("%s: host %q, plugin %q: build the plugin as the host", key, mine, other))
		}
	}
	return lines
}

func modules(info *debug.BuildInfo) map[string]*debug.Module {
	all := make(map[string]*debug.Module, len(info.Deps))
	for _, m := range info.Deps {
		all[m.Path] = m
	}
	return all
}

// name tells one content of a module from another.
func name(m *debug.Module) string {
	text := m.Version
	if m.Sum != "" {
		text += " (" + m.Sum + ")"
	}
	if m.Replace != nil {
		text += " => " + m.Replace.Path + " " + name(m.Replace)
	}
	return text
}

// toolchain returns the release of Go, without the experiments that may follow it.
func toolchain(info *debug.BuildInfo) string {
	release, _, _ := strings.Cut(info.GoVersion, " ")
	return release
}

// maxNamed is how many packages an error names.
const maxNamed = 20

func describePackages(packages []string) string {
	more := ""
	if n := len(packages) - maxNamed; n > 0 {
		packages, more = packages[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	return "packages that were compiled from other sources or with other flags: " + strings.Join(packages, ", ") + more
}

func (d differences) refusal(host, plugin *debug.BuildInfo) error {
	if len(d.hard) == 0 {
		return nil
	}
	lines := slices.Concat(d.hard, d.soft)
	return status.Errorf(status.FailedPrecondition, "the plugin was not built as this host was:\n  %s\nIn the plugin's module, this builds one that fits:\n  %s",
		strings.Join(lines, "\n  "), Command(host, plugin.Path))
}

// Command returns the shell command that builds a package as a plugin for a host.
func Command(host *debug.BuildInfo, pkg string) string {
	words := []string{"CGO_ENABLED=1", "GOTOOLCHAIN=" + toolchain(host)}
	if experiments := setting(host, "GOEXPERIMENT"); experiments != "" {
		words = append(words, "GOEXPERIMENT="+quote(experiments))
	}
	words = append(words, "go build -buildmode=plugin")
	for _, key := range []string{"-race", "-msan", "-asan", "-trimpath"} {
		if setting(host, key) == "true" {
			words = append(words, key)
		}
	}
	for _, key := range []string{"-tags", "-gcflags"} {
		if value := setting(host, key); value != "" {
			words = append(words, quote(key+"="+value))
		}
	}
	return strings.Join(append(words, quote(pkg)), " ")
}

// quote makes one word for a shell of text.
func quote(text string) string {
	if !strings.ContainsAny(text, " \t\n'\"\\$`&|;<>()*?[]{}~#!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
