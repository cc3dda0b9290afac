package contract

import (
	"bytes"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

// parigotModule is the path of this module.
const parigotModule = "github.com/iansmith/parigot"

// errNoGo is what buildInfo returns for programs in other languages.
var errNoGo = errors.New("there is no build information of Go in it")

// The go command puts what it knows of a program's modules between these, into the
// variable runtime.modinfo.
var (
	infoStart = []byte("\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6")
	infoEnd   = []byte("\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2")
)

// buildInfo finds what the go command wrote into a program about its modules. Package
// debug/buildinfo of Go 1.26 does not read WebAssembly.
func buildInfo(memory []wasm.Piece) (*debug.BuildInfo, error) {
	for _, p := range memory {
		for _, part := range bytes.Split(p.Bytes, infoStart)[1:] {
			text, _, ended := bytes.Cut(part, infoEnd)
			if info, err := debug.ParseBuildInfo(string(text)); ended && err == nil {
				return info, nil
			}
		}
	}
	return nil, errNoGo
}

// goVersion returns the version of Go that the custom section "producers" names, or "".
// https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md
func goVersion(sections []wasm.Section) string {
	for _, s := range sections {
		if s.ID != wasm.SectionCustom || s.Name != "producers" {
			continue
		}
		r := wasm.NewReader(s.Content)
		for fields := r.U32(); fields > 0 && r.Err() == nil; fields-- {
			field := r.Name()
			for values := r.U32(); values > 0 && r.Err() == nil; values-- {
				if name, version := r.Name(), r.Name(); field == "language" && name == "Go" {
					return version
				}
			}
		}
	}
	return ""
}

// maxModules bounds the modules that a contract names.
const maxModules = 10_000

// modulesOf returns the modules of a program, its own first, and at most maxModules.
func modulesOf(info *debug.BuildInfo) []*contractpb.Module {
	var modules []*contractpb.Module
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == "" || len(modules) == maxModules {
			continue
		}
		module := &contractpb.Module{Path: m.Path, Version: m.Version}
		if module.Version == "" {
			module.Version = devel
		}
		if m.Replace != nil {
			module.Replacement = strings.TrimSpace(m.Replace.Path + " " + m.Replace.Version)
		}
		modules = append(modules, module)
	}
	return modules
}

// devel is the version of a module that has none.
const devel = "(devel)"

// VersionText returns the version of a module for people to read, with what replaces
// it: "v1.2.0", "(devel)", "v1.2.0 (replaced by ../queue)". nil is the empty string.
func VersionText(m *contractpb.Module) string {
	if m.GetReplacement() != "" {
		return m.GetVersion() + " (replaced by " + m.GetReplacement() + ")"
	}
	return m.GetVersion()
}

// moduleOf returns the module that the Go code of a proto file belongs to, or nil. The
// file says which package that is, unless the generator was told otherwise.
func moduleOf(file protoreflect.FileDescriptor, modules []*contractpb.Module) *contractpb.Module {
	pkg := goPackage(file)
	var best *contractpb.Module
	for _, m := range modules {
		if (pkg == m.GetPath() || strings.HasPrefix(pkg, m.GetPath()+"/")) && len(m.GetPath()) > len(best.GetPath()) {
			best = m
		}
	}
	return best
}

// goPackage returns the import path that a file names with go_package, or "".
func goPackage(file protoreflect.FileDescriptor) string {
	o, _ := file.Options().(*descriptorpb.FileOptions)
	path, _, _ := strings.Cut(o.GetGoPackage(), ";")
	return path
}

// ownModules are those of the running program.
var ownModules = sync.OnceValue(func() []*contractpb.Module {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	return modulesOf(info)
})

// linkedModule returns the module that a file comes from, if its Go code is linked into
// the running program, or nil.
func linkedModule(file protoreflect.FileDescriptor) *contractpb.Module {
	if linked, err := protoregistry.GlobalFiles.FindFileByPath(file.Path()); err != nil || linked != file {
		return nil
	}
	return moduleOf(file, ownModules())
}

func findModule(modules []*contractpb.Module, path string) *contractpb.Module {
	i := slices.IndexFunc(modules, func(m *contractpb.Module) bool { return m.GetPath() == path })
	if i < 0 {
		return nil
	}
	return modules[i]
}
