package deploy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const anyName = "google.protobuf.Any"

const (
	// maxDepth bounds how deep values may be nested in a file.
	maxDepth = 64
	// maxValues bounds how many values a file may have, and names of fields.
	maxValues = 50_000
	// maxFindings bounds what is said of one file: what comes after the first so many
	// is left out. It bounds the time that a hostile file takes, too.
	maxFindings = 100
)

// place is where a field is written.
type place struct{ line, column int }

// document is a file of YAML, with the places of its fields by their paths.
type document struct {
	path     string
	places   map[string]place
	fields   map[place]string // the innermost field at a place
	scalars  map[place]string // the text of a value that is no list and has no fields
	findings []Finding
	values   int // those that plain has seen
}

// add notes what is wrong with a node.
func (d *document) add(n *yaml.Node, field, format string, args ...any) {
	d.note(place{n.Line, n.Column}, field, fmt.Sprintf(format, args...))
}

// addAt notes what is wrong with a field, unless the field, one in it or one around it
// is wrong already: what follows from a mistake only hides it.
func (d *document) addAt(field, format string, args ...any) {
	for _, f := range d.findings {
		if f.Field != "" && (within(f.Field, field) || within(field, f.Field)) {
			return
		}
	}
	d.note(d.at(field), field, fmt.Sprintf(format, args...))
}

func (d *document) note(p place, field, message string) {
	if len(d.findings) < maxFindings {
		d.findings = append(d.findings, Finding{d.path, p.line, p.column, field, message})
	}
}

// addUnless is addAt for a field that is wrong beside another one, unless that is wrong itself.
func (d *document) addUnless(other, field, format string, args ...any) {
	if !slices.ContainsFunc(d.findings, func(f Finding) bool { return f.Field != "" && within(f.Field, other) }) {
		d.addAt(field, format, args...)
	}
}

// within reports whether the field inner is outer, or in it.
func within(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// at returns the place of a field, or when it is not written, of the nearest around it.
func (d *document) at(field string) place {
	for {
		if p, ok := d.places[field]; ok {
			return p
		}
		i := strings.LastIndexAny(field, ".[")
		if i < 0 {
			return place{1, 1}
		}
		field = field[:i]
	}
}

// plain notes what YAML has and deployment files do not: what makes small files huge, and
// what makes them mean something else than they seem to.
func (d *document) plain(n *yaml.Node, depth int) bool {
	before := len(d.findings)
	d.values++
	switch {
	case d.values > maxValues:
		d.add(n, "", "the file has more than %d values", maxValues)
		return false
	case depth > maxDepth:
		d.add(n, "", "values are nested more than %d deep", maxDepth)
		return false
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.add(n, "", "deployment files have no aliases (*) and anchors (&): write the value out")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		d.add(n, "", "deployment files have no tags: %s has no meaning here", n.Tag)
	}
	for _, c := range n.Content {
		if !d.plain(c, depth+1) {
			break
		}
	}
	if n.Kind == yaml.MappingNode {
		d.keys(n)
	}
	return len(d.findings) == before
}

// keys notes the keys of a mapping that are none, or written twice.
func (d *document) keys(n *yaml.Node) {
	lines := make(map[string]int)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		first, twice := lines[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.add(key, "", "the name of a field is missing here")
		case twice:
			d.add(key, "", "%s is written twice, first in line %d", key.Value, first)
		default:
			lines[key.Value] = key.Line
		}
	}
}

// locate notes the places of all fields of a message, and those that it does not have.
func (d *document) locate(n *yaml.Node, m protoreflect.MessageDescriptor, path string) {
	d.place(n, path)
	if n.Kind != yaml.MappingNode || opaque(m) {
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field := m.Fields().ByTextName(key.Value)
		if field == nil {
			d.add(key, join(path, key.Value), "%s", unknownField(key.Value, m))
			continue
		}
		d.locateField(value, field, join(path, key.Value))
	}
}

// opaque reports whether a message is written in a form of its own.
func opaque(m protoreflect.MessageDescriptor) bool {
	return m.FullName().Parent() == "google.protobuf"
}

func (d *document) locateField(n *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	d.place(n, path)
	switch {
	case field.IsMap() && n.Kind == yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			d.locateValue(n.Content[i+1], field.MapValue(), path+"["+mapKey(n.Content[i].Value, field)+"]")
			d.fields[place{n.Content[i].Line, n.Content[i].Column}] = path
		}
	case field.IsList() && n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			d.locateValue(item, field, path+"["+strconv.Itoa(i)+"]")
		}
	case !field.IsList() && !field.IsMap():
		d.locateValue(n, field, path)
	}
}

func (d *document) locateValue(n *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	m := field.Message()
	if m != nil && m.FullName() == anyName && n.Kind != yaml.MappingNode && n.ShortTag() != "!!null" {
		d.add(n, path, "it needs the fields of the plugin's configuration")
	}
	if m != nil {
		d.locate(n, m, path)
		return
	}
	d.place(n, path)
}

func (d *document) place(n *yaml.Node, path string) {
	p := place{n.Line, n.Column}
	d.places[path], d.fields[p] = p, path
	if n.Kind == yaml.ScalarNode {
		d.scalars[p] = n.Value
	}
}

// mapKey returns a key as paths have it.
func mapKey(key string, field protoreflect.FieldDescriptor) string {
	if field.MapKey().Kind() == protoreflect.StringKind {
		return strconv.Quote(key)
	}
	return key
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func unknownField(name string, m protoreflect.MessageDescriptor) string {
	names := make([]string, m.Fields().Len())
	for i := range names {
		names[i] = m.Fields().Get(i).TextName()
	}
	if near := nearest(name, names); near != "" {
		return "there is no such field: did you mean " + near + "?"
	}
	if len(names) == 0 {
		return "there is no such field: " + string(m.Name()) + " has none"
	}
	return "there is no such field: " + string(m.Name()) + " has " + strings.Join(names, ", ")
}

// nearest returns the name that was probably meant, or "".
func nearest(name string, names []string) string {
	best, distance := "", max(1, len(name)/3)+1
	for _, n := range names {
		if d := editDistance(fold(name), fold(n)); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// fold makes the ways alike in which people write one name.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// editDistance returns how many bytes to insert, delete or replace to make a b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{replaced, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
