package gen

import (
	"fmt"
	"go/token"
	"strconv"
	"strings"
)

// Parameter describes one parameter of protoc-gen-parigot.
type Parameter struct {
	Name string // with its value, as in "side=host|guest|both"
	Help string // one sentence
}

// Parameters lists the parameters that the generator knows, for its usage
// message and its errors.
func Parameters() []Parameter {
	return []Parameter{
		{"paths=import|source_relative", "Where the files go: by Go import path (default), or beside the proto file's own path."},
		{"module=PREFIX", "The import path prefix that the names of the files are given without."},
		{"M<file>=PATH;NAME", "The Go import path and package of a proto file, instead of its go_package."},
		{"package_suffix=SUFFIX", `Makes the sub-package <Go package><SUFFIX> for the files (default "parigot"); empty puts them beside the messages.`},
		{"side=host|guest|both", "Which half to write besides the shared file (default both)."},
		{"streaming=error|skip", "What to do with a streaming rpc: refuse it (default) or leave it out."},
		{"impl=DIR", "Write or complete DIR/impl_<service>.go, and DIR/plugin/main.go when there is none, and nothing else; out must be the working directory."},
		{"guest_impl=DIR", "The same for guests that serve: DIR/impl_<service>.go, and DIR/guest/main.go with the first of them."},
		{"impl_package=NAME", "The Go package of the files in the DIR of one of the two, where DIR does not tell."},
		{"versions=true|false", "Whether the header names the versions of the generator and the compiler (default true)."},
		{"annotate_code=true|false", "Whether to write a .meta file that maps symbols to the proto file (default false)."},
		{"default_api_level=LEVEL, apilevelM<file>=LEVEL", "Accepted for symmetry with protoc-gen-go; the files fit every API level."},
	}
}

// sides of a call that files can be written for.
const (
	sideHost  = "host"
	sideGuest = "guest"
	sideBoth  = "both"
)

// parameters are the values of the parameters that protogen does not handle.
type parameters struct {
	packageSuffix string
	skipStreaming bool
	side          string
	versions      bool
	impl          map[string]string // directories for skeletons by the parameter of their kind
	implPackage   string
}

func defaultParameters() *parameters {
	return &parameters{packageSuffix: "parigot", side: sideBoth, versions: true, impl: make(map[string]string)}
}

// set is protogen's ParamFunc: it gets each parameter that protogen itself
// does not know.
func (p *parameters) set(name, value string) error {
	switch name {
	case "package_suffix":
		p.packageSuffix = value
		if !token.IsIdentifier("x" + value) {
			return fmt.Errorf("bad value for parameter %q: %q cannot end a Go package name", name, value)
		}
		return nil
	case "side":
		p.side = value
		return oneOf(name, value, sideHost, sideGuest, sideBoth)
	case "streaming":
		p.skipStreaming = value == "skip"
		return oneOf(name, value, "error", "skip")
	case pluginImpl.parameter, guestImpl.parameter:
		p.impl[name] = value
		if value == "" {
			return fmt.Errorf("bad value for parameter %q: want a directory", name)
		}
		return nil
	case "impl_package":
		p.implPackage = value
		if !token.IsIdentifier(value) || value == "_" {
			return fmt.Errorf("bad value for parameter %q: %q is no Go package name", name, value)
		}
		return nil
	case "versions":
		return boolean(name, value, &p.versions)
	}
	return fmt.Errorf("unknown parameter %q: want one of %s", name, knownNames())
}

// check reports what is wrong with the parameters taken together.
func (p *parameters) check() error {
	if p.implPackage != "" && len(p.impl) != 1 {
		return fmt.Errorf("parameter %q needs either %q or %q", "impl_package", "impl=DIR", "guest_impl=DIR")
	}
	if len(p.impl) < len(implKinds) {
		return nil
	}
	return checkApart(p.impl[pluginImpl.parameter], p.impl[guestImpl.parameter])
}

func oneOf(name, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("bad value %q for parameter %q: want one of %s", value, name, strings.Join(allowed, ", "))
}

// boolean sets *to. A parameter without a value is true, as in protoc's own
// plugins.
func boolean(name, value string, to *bool) error {
	if value == "" {
		*to = true
		return nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf(`bad value %q for parameter %q: want "true" or "false"`, value, name)
	}
	*to = b
	return nil
}

func knownNames() string {
	var names []string
	for _, p := range Parameters() {
		for _, alternative := range strings.Split(p.Name, ", ") {
			name, _, _ := strings.Cut(alternative, "=")
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
