package runner

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/wasm"
)

func newInspectCommand() *cobra.Command {
	var asJSON bool
	var diff string
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a guest or a plugin is made of",
		Long: `Shows what is in a guest (a WebAssembly module): what it imports by service and method, what it
exports, its memory, the versions of Go and of all modules, what makes up its size, and
its contract, see "guest build". Or what is in a plugin (a Go shared object): the versions
and settings that it was built with, the symbols that it exports, and whether this program can
load it: if not, what differs, and the command that builds one that it can.

With --diff it shows what changed from another file of the same kind, the older one. The
exit code is 1 when messages of the two do not fit each other.`,
		Example: `  parigot inspect app.wasm
  parigot inspect --json app.wasm
  parigot inspect queue.so
  parigot inspect --diff old.wasm app.wasm`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := inspect(args[0])
			if err != nil {
				return err
			}
			if diff == "" {
				return output(cmd.OutOrStdout(), asJSON, found)
			}
			old, err := inspect(diff)
			if err != nil {
				return err
			}
			if old.Kind != found.Kind {
				return usageError{fmt.Errorf("%s is a %s, and %s is a %s", diff, old.Kind, args[0], found.Kind)}
			}
			d := difference(old, found)
			if err := output(cmd.OutOrStdout(), asJSON, d); err != nil {
				return err
			}
			if len(d.Incompatible) > 0 {
				return exitError(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, whose fields docs/guests.md describes")
	cmd.Flags().StringVar(&diff, "diff", "", "show what changed from this `file`")
	completeFiles(cmd, "wasm", "so")
	return cmd
}

// texter writes itself for people.
type texter interface{ text(w io.Writer) }

func output(w io.Writer, asJSON bool, what texter) error {
	if !asJSON {
		what.text(w)
		return nil
	}
	e := json.NewEncoder(jsonWriter{w})
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(what)
}

// inspection is what inspect shows. Its JSON is documented in docs/guests.md: fields
// are added, and never change.
type inspection struct {
	File string `json:"file"`
	// Kind is "guest" or "plugin".
	Kind string `json:"kind"`
	// Size is that of the file, in bytes.
	Size int64 `json:"size"`
	// GoVersion is the version of Go that built it, "" when that is not known.
	GoVersion string `json:"go_version"`
	// GoPackage is the import path of the main package.
	GoPackage string `json:"go_package"`
	// Modules are the Go modules in it, its own first.
	Modules []moduleInfo `json:"modules"`
	// Imports and Exports are in the order of their names.
	Imports []importInfo `json:"imports,omitempty"`
	Exports []string     `json:"exports"`
	// Memory is nil for plugins, and guests without.
	Memory *memoryInfo `json:"memory,omitempty"`
	// Sections and Packages are what makes up the size, the largest first.
	Sections []sizeInfo `json:"sections,omitempty"`
	Packages []sizeInfo `json:"packages,omitempty"`
	// Settings are those of the build of a plugin, such as "-trimpath".
	Settings map[string]string `json:"settings,omitempty"`
	// Fit says whether this program can load a plugin, nil for guests.
	Fit *fitInfo `json:"fit,omitempty"`
	// ContractSection says whether a guest has one: otherwise Contract is what
	// "guest build" would put there.
	ContractSection bool `json:"contract_section"`
	// Contract is a parigot.v1.Contract as protobuf writes it in JSON, without the
	// modules and the descriptors.
	Contract json.RawMessage `json:"contract,omitempty"`
	// Notes say what could not be found.
	Notes []string `json:"notes,omitempty"`

	contract *contract.Contract
}

type moduleInfo struct {
	Path        string `json:"path"`
	Version     string `json:"version"`
	Replacement string `json:"replacement,omitempty"`
}

type importInfo struct {
	Module    string   `json:"module"`
	Functions []string `json:"functions"`
}

// fitInfo is what a Go plugin is to the program that inspects it.
type fitInfo struct {
	Loads bool `json:"loads"`
	// Why has a line for all that keeps it from loading.
	Why []string `json:"why,omitempty"`
	// Command builds one that loads, when Why can be mended so.
	Command string `json:"command,omitempty"`
}

// memoryInfo is in bytes.
type memoryInfo struct {
	Min uint64 `json:"min"`
	// Max is 0 when there is none.
	Max uint64 `json:"max,omitempty"`
}

type sizeInfo struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

func inspect(file string) (*inspection, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	i := &inspection{File: file, Size: int64(len(b)), Exports: []string{}, Modules: []moduleInfo{}}
	if wasm.IsModule(b) {
		i.Kind = "guest"
		err = i.guest(b)
	} else {
		i.Kind = "plugin"
		err = i.plugin(file)
	}
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", file, err)
	}
	return i, nil
}

// setContract keeps a contract, and what of it is not shown elsewhere as JSON.
func (i *inspection) setContract(c *contract.Contract) error {
	i.contract = c
	m := c.Proto()
	i.GoVersion, i.GoPackage = m.GetGoVersion(), m.GetGoPackage()
	for _, mod := range m.GetModules() {
		i.Modules = append(i.Modules, moduleInfo{mod.GetPath(), mod.GetVersion(), mod.GetReplacement()})
	}
	short := contractWithout(m)
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(short)
	i.Contract = b
	return err
}

func (m moduleInfo) String() string {
	if m.Replacement == "" {
		return m.Version
	}
	return m.Version + " (replaced by " + strings.TrimSpace(m.Replacement) + ")"
}
