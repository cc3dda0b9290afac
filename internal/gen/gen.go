package gen

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// Version is the version of the generator, which headers name.
const Version = "v0.1.0"

// Result is what [Generate] made.
type Result struct {
	// Response is what goes back to the compiler. Its error, if any, says what
	// is wrong with the proto files, one line for each problem, and then it
	// has no files.
	Response *pluginpb.CodeGeneratorResponse

	// Notes are sentences for the person who runs the compiler: nothing is
	// wrong, but something needs a look. They have no order of importance.
	Notes []string
}

// Workspace is where the compiler runs. Its paths have slashes.
type Workspace struct {
	FS     fs.FS  // nil: there are no files, and nothing is checked about the place of the output
	Module string // the module around the working directory, in FS
	Dir    string // the working directory, in the module
}

// Generate makes the files for a request.
//
// Only the modes impl=DIR and guest_impl=DIR read files, those of where.
//
// The error is for a request that cannot be worked on at all: an unknown
// parameter, descriptors that do not fit together, or a file without a Go
// package. What is wrong with the proto files themselves is in the response.
func Generate(request *pluginpb.CodeGeneratorRequest, where Workspace) (Result, error) {
	params := defaultParameters()
	plugin, err := protogen.Options{ParamFunc: params.set}.New(request)
	if err != nil {
		return Result{}, err
	}
	if err := params.check(); err != nil {
		return Result{}, err
	}
	g := newGenerator(plugin, params)
	skeletons, err := g.generate(where)
	if err != nil {
		plugin.Error(err)
	}
	return Result{Response: g.response(skeletons), Notes: g.notes}, nil
}

// generate adds the generated files to the plugin, or returns those of the modes
// impl=DIR and guest_impl=DIR.
func (g *generator) generate(where Workspace) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	views := g.views()
	if err := g.problems.err(); err != nil {
		return nil, err
	}
	if len(g.parameters.impl) > 0 {
		return g.skeletons(views, where)
	}
	if err := g.renderAll(views); err != nil {
		return nil, err
	}
	return nil, g.problems.err()
}

// generator is one run.
type generator struct {
	plugin     *protogen.Plugin
	parameters *parameters
	problems   *problems
	scopes     *packageScopes
	finished   map[string]string // the contents of files that protogen need not format, by name
	notes      []string
}

func newGenerator(plugin *protogen.Plugin, params *parameters) *generator {
	plugin.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL) |
		uint64(pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
	plugin.SupportedEditionsMinimum = descriptorpb.Edition_EDITION_PROTO2
	plugin.SupportedEditionsMaximum = descriptorpb.Edition_EDITION_2024
	p := new(problems)
	return &generator{
		plugin:     plugin,
		parameters: params,
		problems:   p,
		finished:   make(map[string]string),
		scopes:     newPackageScopes(p, plugin.Files),
	}
}

// views returns the views of all files to generate that have output, by path,
// having checked them. The problems are in g.
func (g *generator) views() []*fileView {
	v := &viewer{parameters: g.parameters, problems: g.problems, redacted: redactedMessages(g.plugin.Files)}
	wasm := &wasmNames{problems: g.problems, taken: make(map[[2]string]owner)}
	checkOptionNumbers(g.problems, g.plugin.Files)
	g.checkOwnPackages()
	outputs := newOutputs(g.problems)
	var views []*fileView
	for _, file := range g.files() {
		view := v.file(file)
		outputs.claim(view)
		if view.isEmpty() {
			continue
		}
		views = append(views, view)
		g.checkGoPackages(file)
		g.scopes.claimAll(view)
		for _, service := range view.Services {
			wasm.claimAll(service)
		}
		g.noteFile(view)
	}
	return views
}

// files returns the files to generate, by path, so that the order of the
// request does not matter.
func (g *generator) files() []*protogen.File {
	var files []*protogen.File
	for _, file := range g.plugin.Files {
		if file.Generate {
			files = append(files, file)
		}
	}
	slices.SortFunc(files, func(a, b *protogen.File) int {
		return cmp.Compare(a.Desc.Path(), b.Desc.Path())
	})
	return files
}

// noteFile tells about a file whose messages the go command will not find.
func (g *generator) noteFile(view *fileView) {
	base := path.Base(view.GeneratedFilenamePrefix) + ".pb.go"
	switch {
	case refused(base):
		g.note("%s: the go command refuses a package with %s, the messages of this file, because of its name: rename the proto file", view.Desc.Path(), base)
	case ignored(base):
		g.note("%s: the go command leaves %s, the messages of this file, out of some builds or all, because of its name: rename the proto file", view.Desc.Path(), base)
	}
	if view.importsMain() {
		g.note("%s: its Go package is main, which the package %s cannot import: change go_package, or set package_suffix to nothing", view.Desc.Path(), view.PackageName)
	}
}

func (g *generator) note(format string, args ...any) {
	g.notes = append(g.notes, fmt.Sprintf(format, args...))
}

// renderAll adds the generated files of all views to the plugin.
func (g *generator) renderAll(views []*fileView) error {
	for _, view := range views {
		if err := g.renderFile(view); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) renderFile(view *fileView) error {
	out := outputFile{fileView: view, Versions: g.parameters.versions, Version: Version, Protoc: g.compiler()}
	shared, host, guest := out, out, out
	shared.PackageDoc = view.SharedDoc
	host.BuildTag, guest.BuildTag = "!wasip1", "wasip1"
	if err := g.render(&shared, view.Stem+"_parigot.pb.go", sharedTemplate); err != nil {
		return err
	}
	if len(view.Services) == 0 {
		return nil
	}
	if g.parameters.side != sideGuest {
		if err := g.render(&host, view.Stem+"_host_parigot.pb.go", hostTemplate); err != nil {
			return err
		}
	}
	if g.parameters.side != sideHost {
		return g.render(&guest, view.Stem+"_guest_parigot.pb.go", guestTemplate)
	}
	return nil
}

// compiler returns the version of the compiler that sent the request.
func (g *generator) compiler() string {
	v := g.plugin.Request.GetCompilerVersion()
	if v == nil {
		return "(unknown)"
	}
	text := fmt.Sprintf("v%d.%d.%d", v.GetMajor(), v.GetMinor(), v.GetPatch())
	if v.GetSuffix() != "" {
		text += "-" + v.GetSuffix()
	}
	return strings.TrimSpace(harmless(text))
}

// response returns the plugin's response with the files in the order of their
// names. The skeletons are in it as they are, because protogen would format
// them.
func (g *generator) response(skeletons []*pluginpb.CodeGeneratorResponse_File) *pluginpb.CodeGeneratorResponse {
	response := g.plugin.Response()
	if response.Error != nil {
		response.File = nil
		if text := response.GetError(); strings.ToValidUTF8(text, "") != text {
			response.Error = proto.String(strings.ToValidUTF8(text, "\uFFFD"))
		}
		return response
	}
	g.fillIn(response.File)
	response.File = append(response.File, skeletons...)
	slices.SortStableFunc(response.File, func(a, b *pluginpb.CodeGeneratorResponse_File) int {
		return cmp.Compare(a.GetName(), b.GetName())
	})
	return response
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
