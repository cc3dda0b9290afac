// Package version says which Parigot a program was built from.
package version

import (
	"runtime/debug"

	"golang.org/x/mod/module"
)

// Module is the path of this module.
const Module = "github.com/iansmith/parigot"

// Unknown is the text for a program that knows neither its version nor its commit.
const Unknown = "version and commit unknown: built without version control information"

// Text describes the running program: "v0.1.0, commit 0123456789ab, modified", or
// [Unknown]. A release that the go command got from a module proxy names no commit.
func Text() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Unknown
	}
	return describe(info)
}

// describe is Text for the program that info is from.
func describe(info *debug.BuildInfo) string {
	version, commit := released(info), ""
	if module.IsPseudoVersion(version) {
		commit, _ = module.PseudoVersionRev(version) // IsPseudoVersion has checked it
	}
	if info.Main.Path == Module { // the repository of another module has other commits
		if revision := setting(info, "vcs.revision"); revision != "" {
			commit = revision[:min(12, len(revision))]
			if setting(info, "vcs.modified") == "true" {
				commit += ", modified"
			}
		}
	}
	switch {
	case version == "" && commit == "":
		return Unknown
	case version == "":
		return "version unknown, commit " + commit
	case commit == "":
		return version
	}
	return version + ", commit " + commit
}

// released returns the version of this module, or "".
func released(info *debug.BuildInfo) string {
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path != Module {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version == "(devel)" {
			return ""
		}
		return m.Version
	}
	return ""
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
