package preflight

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// hardSettings make a plugin unusable when they differ. Those in softSettings can,
// and are named only when the packages of the two differ.
var (
	hardSettings = slices.Concat([]string{"GOOS", "GOARCH"}, switches, variables)
	softSettings = []string{"-gcflags", "-tags", "-cover", "-covermode", "-coverpkg", "CGO_CFLAGS"}

	// switches are flags of go build, and are "true" or not there.
	switches = []string{"-race", "-msan", "-asan", "-trimpath"}
	// variables are those of the environment. All but the first say which processors
	// the code is for: code for a newer one ends a process on an older.
	variables = []string{experiments, "GOAMD64", "GOARM64", "GOARM", "GO386", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64"}
)

const experiments = "GOEXPERIMENT"

// differences are lines for a person.
type differences struct{ hard, soft []string }

// compare returns what differs in how host and plugin were built. It is stricter than
// the runtime, which loads a plugin of another patch release of Go.
func compare(host, plugin *debug.BuildInfo) differences {
	var d differences
	// An experiment is in the version, too.
	if host.GoVersion != plugin.GoVersion && (toolchain(host) != toolchain(plugin) || setting(host, experiments) == setting(plugin, experiments)) {
		d.hard = append(d.hard, fmt.Sprintf("toolchain: host %s, plugin %s: build the plugin with GOTOOLCHAIN=%s", host.GoVersion, plugin.GoVersion, toolchain(host)))
	}
	d.hard = append(d.hard, compareSettings(host, plugin, hardSettings)...)
	d.soft = append(d.soft, compareSettings(host, plugin, softSettings)...)
	d.hard = append(d.hard, compareModules(host, plugin)...)
	theirs := modules(plugin)
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

// compareModules compares the versions of the modules that both have.
func compareModules(host, plugin *debug.BuildInfo) (lines []string) {
	theirs := modules(plugin)
	for _, mine := range host.Deps {
		other, ok := theirs[mine.Path]
		if !ok || name(mine) == name(other) {
			continue
		}
		mend := "in the plugin's module, go get " + mine.Path + "@" + mine.Version
		if mine.Replace != nil || other.Replace != nil {
			mend = "have the same replace directive in both go.mod files"
		}
		lines = append(lines, fmt.Sprintf("module %s: host %s, plugin %s: %s", mine.Path, name(mine), name(other), mend))
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
	if release == "devel" {
		return "local" // nobody can fetch it
	}
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

// refusal returns nil when nothing keeps the host from loading the plugin.
func (d differences) refusal(host, plugin *debug.BuildInfo) *RefusalError {
	if len(d.hard) == 0 {
		return nil
	}
	return &RefusalError{Differences: slices.Concat(d.hard, d.soft), Command: command(host, plugin)}
}

// Recipe is how to build a plugin that fits a host.
type Recipe struct {
	// Env are variables, as "KEY=value" each, beside those that are there.
	Env []string
	// Flags are for go build, and end before the package.
	Flags []string
}

// recipe returns how to build for host what is or would be built as plugin says: what
// plugin has beyond the host is taken away, as it may come from GOFLAGS.
func recipe(host, plugin *debug.BuildInfo) Recipe {
	r := Recipe{Env: []string{"CGO_ENABLED=1", "GOTOOLCHAIN=" + toolchain(host)}, Flags: []string{"-buildmode=plugin"}}
	for _, key := range variables {
		if mine, other := setting(host, key), setting(plugin, key); mine != "" && (key == experiments || mine != other) {
			r.Env = append(r.Env, key+"="+mine)
		} else if key == experiments && other != "" {
			r.Env = append(r.Env, key+"=none")
		}
	}
	for _, key := range switches {
		switch mine, other := setting(host, key), setting(plugin, key); {
		case mine == "true":
			r.Flags = append(r.Flags, key)
		case other == "true":
			r.Flags = append(r.Flags, key+"=false")
		}
	}
	if mine := setting(host, "-tags"); mine != "" || setting(plugin, "-tags") != "" {
		r.Flags = append(r.Flags, "-tags="+mine)
	}
	mine, other := setting(host, "-gcflags"), setting(plugin, "-gcflags")
	if other != "" && other != mine {
		r.Flags = append(r.Flags, "-gcflags=all=") // each -gcflags is added to those before
	}
	if mine != "" {
		r.Flags = append(r.Flags, "-gcflags="+mine)
	}
	return r
}

// command returns a recipe as a line for a shell.
func command(host, plugin *debug.BuildInfo) string {
	r := recipe(host, plugin)
	words := make([]string, 0, len(r.Env)+len(r.Flags)+3)
	for _, v := range r.Env {
		key, value, _ := strings.Cut(v, "=")
		words = append(words, key+"="+quote(value))
	}
	words = append(words, "go", "build")
	for _, flag := range r.Flags {
		words = append(words, quote(flag))
	}
	return strings.Join(append(words, quote(plugin.Path)), " ")
}

// quote makes one word for a shell of text.
func quote(text string) string {
	if !strings.ContainsAny(text, " \t\n'\"\\$`&|;<>()*?[]{}~#!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
