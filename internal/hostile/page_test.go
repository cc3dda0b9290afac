// Package hostile has the tests of what guests can cost their host: modules that try, made
// byte by byte, and the page that lists the limits.
package hostile

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/deploy"
	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

const root = "../.."

// defaults are those of the limits that have a field in a deployment file, as the page writes
// them. Add a limit here and to the page.
var defaults = map[string]string{
	"memory_limit":      humanize.IBytes(eng.DefaultMemoryLimit),
	"host_memory_limit": humanize.IBytes(eng.DefaultHostMemoryLimit),
	"stack_limit":       humanize.IBytes(eng.DefaultStackLimit),
	"compile_memory":    humanize.IBytes(eng.DefaultCompileMemory),
	"max_open_files":    strconv.Itoa(eng.DefaultMaxOpenFiles),
	"disk_limit":        humanize.IBytes(eng.DefaultDiskLimit),
	"max_request":       humanize.IBytes(eng.DefaultMaxMessage),
	"max_response":      humanize.IBytes(eng.DefaultMaxMessage),
	"max_decoded":       humanize.IBytes(eng.DefaultMaxDecoded),
	"log_rate":          humanize.IBytes(eng.DefaultLogRate),
	"log_burst":         humanize.IBytes(eng.DefaultLogBurst),
	"record_rate":       strconv.Itoa(eng.DefaultRecordRate),
	"max_pending":       strconv.Itoa(eng.DefaultMaxPending),
	"call_budget":       eng.DefaultCallBudget.String(),
	"grace_period":      deploy.DefaultGracePeriod.String(),
	"time_limit":        "none",
}

// limitNames matches the fields of the schema that are limits.
var limitNames = regexp.MustCompile(`_limit$|^max_|_budget$|_rate$|_burst$|_memory$|^grace_period$`)

type row struct{ resource, limit, byDefault, sees, test string }

var code = regexp.MustCompile("`([^`]+)`")

func names(cell string) []string {
	var names []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	return names
}

// rows reads the table of the page.
func rows(t *testing.T) []row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "\n|---|---|---|---|---|\n")
	require.True(t, found)
	var rows []row
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 {
			break
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
			require.NotEmpty(t, cells[i], line)
		}
		rows = append(rows, row{cells[0], cells[1], cells[2], cells[3], cells[4]})
	}
	require.NotEmpty(t, rows)
	return rows
}

// noLimits are the options for all guests that limit nothing.
var noLimits = []string{"WithLogger", "WithCacheDir", "WithInterceptors"}

// TestPage: the page names everything that a guest can use and all limits that can be set, and
// each limit that it names is there, with its default and its test.
func TestPage(t *testing.T) {
	t.Parallel()
	covered, limited := map[string]bool{}, map[string]bool{}
	tests, options := declared(t)
	engine, guest := (&deploymentpb.Engine{}).ProtoReflect().Descriptor().Fields(), (&deploymentpb.Guest{}).ProtoReflect().Descriptor().Fields()
	for _, r := range rows(t) {
		for _, name := range names(r.resource) {
			covered[name] = true
		}
		limits := names(r.limit)
		require.True(t, len(limits) > 0 || r.limit == "fixed", r)
		for _, name := range limits {
			if option, ok := strings.CutPrefix(name, "eng."); ok {
				_, ok := options[option]
				require.True(t, ok, "there is no option %s: %v", option, r)
				limited[option] = true
				continue
			}
			name = strings.TrimPrefix(name, "engine.")
			require.False(t, engine.ByName(protoreflect.Name(name)) == nil && guest.ByName(protoreflect.Name(name)) == nil, r)
			require.Contains(t, r.byDefault, defaults[name], r)
			require.NotEmpty(t, defaults[name], r)
			limited[name] = true
		}
		for _, name := range names(r.test) {
			require.True(t, tests[name], "there is no test %s: %v", name, r)
		}
	}
	for _, fields := range []protoreflect.FieldDescriptors{engine, guest} {
		for i := range fields.Len() {
			if name := string(fields.Get(i).Name()); limitNames.MatchString(name) {
				require.True(t, limited[name], "the page has no row for the limit %s", name)
			}
		}
	}
	for name, ofHost := range options {
		require.True(t, limited[name] || !ofHost || slices.Contains(noLimits, name), "the page has no row for %s", name)
	}
	for _, name := range offered(t) {
		require.True(t, covered[name], "the page has no row for %s", name)
	}
}

// offered returns what a guest can import of the engine, and what a module can have.
func offered(t *testing.T) []string {
	t.Helper()
	r := wazero.NewRuntime(t.Context())
	defer func() { require.NoError(t, r.Close(t.Context())) }()
	m, err := wasi_snapshot_preview1.NewBuilder(r).Compile(t.Context())
	require.NoError(t, err)
	var names []string
	for name := range m.ExportedFunctions() {
		names = append(names, name)
	}
	for _, name := range []string{abi.Take, abi.Header, abi.Await, abi.Cancel} {
		names = append(names, abi.Module+"."+name)
	}
	for _, name := range wasm.SectionNames {
		names = append(names, name+" section")
	}
	return names
}

var function = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|With)\w+)\([^)]*\) ?(\w*)`)

// declared returns the names of all tests, and those of the options of package eng, which are
// true if they are for all guests.
func declared(t *testing.T) (tests, options map[string]bool) {
	t.Helper()
	tests, options = map[string]bool{}, map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		into := options
		switch {
		case strings.HasSuffix(path, "_test.go"):
			into = tests
		case filepath.Dir(path) != filepath.Join(root, "pluginsdk/eng"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			into[string(m[1])] = strings.HasSuffix(path, "_test.go") || string(m[2]) == "Option"
		}
		return err
	}))
	return tests, options
}
