package gen

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// refuseTemplate reports a buf template in the working directory that makes
// buf delete what people wrote, or run the plugin so that one run undoes what
// another did. A plugin's error makes buf neither write nor delete.
func refuseTemplate(dir fs.FS) error {
	if dir == nil {
		return nil
	}
	for _, name := range []string{"buf.gen.yaml", "buf.gen.yml"} {
		text, err := fs.ReadFile(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var template bufTemplate
		if err := yaml.Unmarshal(text, &template); err != nil {
			return fmt.Errorf("impl: cannot tell what %s says of clean and strategy: %w", name, err)
		}
		if template.Clean {
			return fmt.Errorf("impl: %s says clean: true, which deletes hand-written files: write clean: false, or give the plugin with impl a template of its own that does not clean", name)
		}
		for _, entry := range template.Plugins {
			if impl := entry.impl(); impl != "" && entry.Strategy != "all" {
				return fmt.Errorf("impl: %s:%d runs the plugin with impl=%s for each directory of proto files, where one run drops what another adds: write strategy: all in that entry", name, entry.line, impl)
			}
		}
	}
	return nil
}

// bufTemplate is what matters here of a buf.gen.yaml, of any version.
type bufTemplate struct {
	Clean   bool          `yaml:"clean"`
	Plugins []pluginEntry `yaml:"plugins"`
}

// pluginEntry is one of its plugins.
type pluginEntry struct {
	Local    words  `yaml:"local"`  // v2: the command
	Plugin   string `yaml:"plugin"` // v1: protoc-gen- and this is the command,
	Name     string `yaml:"name"`   // v1beta1: as here,
	Path     words  `yaml:"path"`   // unless there is a path
	Opt      words  `yaml:"opt"`
	Strategy string `yaml:"strategy"`

	line int
}

// UnmarshalYAML notes the line, too.
func (e *pluginEntry) UnmarshalYAML(node *yaml.Node) error {
	type plain pluginEntry
	e.line = node.Line
	return node.Decode((*plain)(e))
}

// impl returns the value of the parameter impl, or "" when the entry has none
// or is that of another plugin.
func (e *pluginEntry) impl() string {
	command := slices.Concat(e.Local, e.Path, words{"protoc-gen-" + e.Plugin, "protoc-gen-" + e.Name})
	if !slices.ContainsFunc(command, isParigot) {
		return ""
	}
	for _, opt := range e.Opt {
		for one := range strings.SplitSeq(opt, ",") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(one), "impl="); ok && value != "" {
				return value
			}
		}
	}
	return ""
}

// isParigot reports whether a word of a command names this plugin, as
// "go run …/cmd/protoc-gen-parigot@v0.1.0" and "bin/protoc-gen-parigot.exe" do.
func isParigot(word string) bool {
	rest, ok := strings.CutPrefix(path.Base(strings.ReplaceAll(word, `\`, "/")), "protoc-gen-parigot")
	return ok && (rest == "" || strings.ContainsAny(rest[:1], "@."))
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
