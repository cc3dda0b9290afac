package gen

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxTemplate is how long a template of buf may be, in bytes. Longer files are data.
const maxTemplate = 1 << 20

// bufTemplate is what matters here of a template of buf, of any version.
type bufTemplate struct {
	Clean   bool           `yaml:"clean"`
	Inputs  []yaml.Node    `yaml:"inputs"`
	Plugins []*pluginEntry `yaml:"plugins"`

	name string
}

// pluginEntry is one of its plugins.
type pluginEntry struct {
	Out      string `yaml:"out"`
	Opt      words  `yaml:"opt"`
	Strategy string `yaml:"strategy"`
	Types    words  `yaml:"types"`

	at string // file and line
}

// UnmarshalYAML notes the line, too.
func (e *pluginEntry) UnmarshalYAML(node *yaml.Node) error {
	type plain pluginEntry
	e.at = strconv.Itoa(node.Line)
	return node.Decode((*plain)(e))
}

// dir returns the directory of a parameter, impl or guest_impl, or "".
func (e *pluginEntry) dir(parameter string) string {
	for _, opt := range e.Opt {
		for one := range strings.SplitSeq(opt, ",") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(one), parameter+"="); ok && value != "" {
				return path.Clean(value)
			}
		}
	}
	return ""
}

// parseTemplate returns nil for what is no template with an entry that has impl or
// guest_impl.
func parseTemplate(name string, text []byte) (*bufTemplate, error) {
	if !bytes.Contains(text, []byte("impl=")) || len(text) > maxTemplate {
		return nil, nil
	}
	template := &bufTemplate{name: name}
	if err := yaml.Unmarshal(text, template); err != nil {
		if strings.HasPrefix(path.Base(name), "buf.gen.") {
			return nil, fmt.Errorf("cannot tell what %s says of the entry with impl or guest_impl: %w", name, err)
		}
		return nil, nil
	}
	for _, entry := range template.Plugins {
		if entry == nil {
			return nil, nil
		}
		entry.at = name + ":" + entry.at
	}
	return template, nil
}

// entry returns the entry for a directory, or nil. The error says what about it can
// make buf delete or replace what people wrote, or run the plugin so that one run
// undoes what another did.
func (t *bufTemplate) entry(parameter, dir string) (*pluginEntry, error) {
	var found *pluginEntry
	for _, e := range t.Plugins {
		if e.dir(parameter) != dir {
			continue
		}
		found = e
		switch {
		case path.Clean(e.Out) != ".":
			return nil, e.wrongOut(parameter, dir)
		case e.Strategy != "all":
			return nil, fmt.Errorf("%[1]s: %[2]s runs the plugin with %[1]s=%[3]s for each directory of proto files, where one run drops what another adds: write strategy: all in that entry", parameter, e.at, dir)
		case t.Clean:
			return nil, fmt.Errorf("%[1]s: %[2]s says clean: true, which deletes hand-written files: write clean: false, or give the plugin with %[1]s a template of its own that does not clean", parameter, t.name)
		case len(t.Inputs) > 1:
			return nil, fmt.Errorf("%[1]s: %[2]s:%[3]d has several inputs, and buf runs the plugin with %[1]s=%[4]s for each, where one run drops what another adds: leave inputs out, and make the directories modules of one buf.yaml", parameter, t.name, t.Inputs[0].Line, dir)
		}
	}
	return found, nil
}

// wrongOut is the error about an out that is not the working directory.
func (e *pluginEntry) wrongOut(parameter, dir string) error {
	below := ""
	if out := path.Clean(e.Out); out != dir && fs.ValidPath(out) {
		below = fmt.Sprintf(", and %s=%s if the files belong there", parameter, path.Join(out, dir))
	}
	return fmt.Errorf("%s: %s: write out: . instead of out: %s%s: the names of the files begin with %s already, so that they cannot land on other files", parameter, e.at, e.Out, below, dir)
}

// shared reports whether other entries have directories, too: then each gets the skeletons
// of all services, unless it has types.
func (t *bufTemplate) shared(parameter, dir string) bool {
	for _, e := range t.Plugins {
		if e.dir(parameter) != dir && len(e.dirs()) > 0 {
			return true
		}
	}
	return false
}

// dirs returns the directories of all kinds.
func (e *pluginEntry) dirs() []string {
	var dirs []string
	for _, kind := range implKinds {
		if dir := e.dir(kind.parameter); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// words is one string or a list.
type words []string

func (w *words) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.SequenceNode {
		return node.Decode((*[]string)(w))
	}
	var one string
	err := node.Decode(&one)
	*w = words{one}
	return err
}
