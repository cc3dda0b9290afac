package preflight

import (
	"fmt"
	"path/filepath"
	"runtime"
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
	if line := compareVendored(host, plugin); line != "" {
		d.hard = append(d.hard, line)
		host, plugin = withoutSums(host), withoutSums(plugin)
	}
	d.hard = append(d.hard, compareModules(host, plugin)...)
	d.soft = append(d.soft, compareCheckouts(host, plugin)...)
	return d
}

// compareCheckouts notes modules that one side was built inside of, in a checkout, and the
// other with a version of. The packages that both link differ then, as they lie elsewhere.
func compareCheckouts(host, plugin *debug.BuildInfo) (lines []string) {
	if other := modules(plugin)[host.Main.Path]; other != nil && host.Main.Sum == "" {
		mend := "install the host with go install " + host.Path + "@" + other.Version + ", or replace the module in the plugin's go.mod with the host's checkout"
		if other.Replace != nil {
			mend = "build both without -trimpath, and with one checkout"
		}
		lines = append(lines, fmt.Sprintf("module %s: the host was built in a checkout of it, the plugin with %s: %s", host.Main.Path, name(other), mend))
	}
	if mine := modules(host)[plugin.Main.Path]; mine != nil && plugin.Main.Sum == "" {
		lines = append(lines, fmt.Sprintf("module %s: the host was built with %s, the plugin in a checkout of it: build the host in the checkout too, or the plugin in a module of its own that requires that version", mine.Path, name(mine)))
	}
	return lines
}

// beyondFlags returns what no flags of go build mend. Sums are left out, as a plugin that
// was not built may have none.
func beyondFlags(host, plugin *debug.BuildInfo) (lines []string) {
	if line := compareVendored(host, plugin); line != "" && vendored(host) {
		lines = append(lines, line)
	}
	if m := modules(plugin)[sdk]; m != nil && m.Replace == nil && host.Main.Path == sdk {
		lines = append(lines, compareCheckouts(host, plugin)...)
	}
	return append(lines, compareModules(withoutSums(host), withoutSums(plugin))...)
}

// compareVendored returns a line when one side has its modules from a vendor directory.
func compareVendored(host, plugin *debug.BuildInfo) string {
	switch mine, other := vendored(host), vendored(plugin); {
	case other && !mine:
		return "vendor: the plugin's modules are those of its vendor directory, the host's are not: build the plugin with " + notVendored
	case mine && !other:
		return "vendor: the host's modules are those of its vendor directory, the plugin's are not: build the host with " + notVendored
	}
	return ""
}

const notVendored = "-mod=readonly"

// vendored reports whether modules come from a vendor directory: all others have sums.
func vendored(info *debug.BuildInfo) bool {
	return slices.ContainsFunc(info.Deps, func(m *debug.Module) bool {
		return m.Replace == nil && m.Sum == "" && m.Version != checkout
	})
}

// checkout is the version that build info has for a module in a directory.
const checkout = "(devel)"

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
	for _, mine := range linked(host) {
		other, ok := theirs[mine.Path]
		if !ok || name(mine) == name(other) {
			continue
		}
		mend := "in the plugin's module, go get " + mine.Path + "@" + mine.Version + ", or build the host with the plugin's version"
		if mine.Replace != nil || other.Replace != nil {
			mend = "have the same replace directive in both go.mod files"
		} else if mine.Version == other.Version {
			mend = "get both from the same module proxy"
		}
		lines = append(lines, fmt.Sprintf("module %s: host %s, plugin %s: %s", mine.Path, name(mine), name(other), mend))
	}
	return lines
}

// linked returns the modules of a program that have versions. The main one has when
// the program was made with go install and a version.
func linked(info *debug.BuildInfo) []*debug.Module {
	if info.Main.Sum == "" {
		return info.Deps
	}
	return append(slices.Clip(info.Deps), &info.Main)
}

func modules(info *debug.BuildInfo) map[string]*debug.Module {
	all := make(map[string]*debug.Module, len(info.Deps)+1)
	for _, m := range linked(info) {
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
const maxNamed = 5

func describePackages(packages []string) string {
	more := ""
	if n := len(packages) - maxNamed; n > 0 {
		packages, more = packages[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	return "packages that were compiled from other sources or with other flags: " + strings.Join(packages, ", ") + more
}

// differ notes the packages that differ, for which the soft differences are the reason.
func (d *differences) differ(packages []string) {
	if len(packages) > 0 {
		d.hard = slices.Concat(d.hard, d.soft, []string{describePackages(packages)})
	}
	d.soft = nil
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
	if vendored(plugin) && !vendored(host) {
		r.Flags = append(r.Flags, notVendored)
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

// command returns a recipe as a line for a shell, with what has to be done to go.mod before.
func command(host, plugin *debug.BuildInfo) string {
	r := recipe(host, plugin)
	words := prepare(host, plugin)
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

// prepare returns the commands that have a plugin's module require the versions of the host, with
// what joins them to a command behind. What a plugin's go.mod replaces is its author's.
func prepare(host, plugin *debug.BuildInfo) (words []string) {
	theirs := modules(plugin)
	if other, dir := theirs[host.Main.Path], checkoutOf(host.Main); other != nil && other.Replace == nil && dir != "" {
		words = append(words, "go", "mod", "edit", quote("-replace="+host.Main.Path+"="+dir), "&&", "go", "mod", "tidy", "&&")
	}
	var versions []string
	for _, mine := range linked(host) {
		other := theirs[mine.Path]
		if other != nil && mine.Version != other.Version && mine.Replace == nil && other.Replace == nil {
			versions = append(versions, quote(mine.Path+"@"+mine.Version))
		}
	}
	if len(versions) > 0 {
		words = append(append(append(words, "go", "get"), versions...), "&&")
	}
	return words
}

// checkoutOf returns the directory that the host was built in, when m is this module, or "".
func checkoutOf(m debug.Module) string {
	_, file, _, _ := runtime.Caller(0)
	if m.Path != sdk || m.Sum != "" || !filepath.IsAbs(file) { // it is not with -trimpath
		return ""
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// sdk is the module that hosts and plugins always share.
const sdk = "github.com/iansmith/parigot"

// quote makes one word for a shell of text.
func quote(text string) string {
	if !strings.ContainsAny(text, " \t\n'\"\\$`&|;<>()*?[]{}~#!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
