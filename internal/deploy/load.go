// Package deploy reads deployment files, which say what plugins and guests run together
// and what each guest may do, checks them, and runs them. docs/runner.md describes every
// field.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// MaxSize bounds a deployment file, in bytes.
const MaxSize = 1 << 20

// File is a deployment file that was read. It does not change, and is safe for
// concurrent use.
type File struct {
	// Path is what the file was called when it was loaded.
	Path string
	// Deployment is what the file says: checked, defaults not filled in, paths as they are
	// written, see Resolve. The configurations of plugins are left empty in it, since
	// their types are not known before their plugins are.
	Deployment *deploymentpb.Deployment

	dir  string // that of the file, absolute
	text []byte
	doc  *document
}

// Load reads a deployment file and checks all that can be checked by the file alone.
// What is wrong in it is an [Error]; a file that cannot be read is NOT_FOUND or
// FAILED_PRECONDITION. Nothing is started.
func Load(path string) (*File, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	f, err := parse(path, text)
	if err != nil {
		return nil, err
	}
	f.dir = filepath.Dir(abs)
	return f, nil
}

func readFile(path string) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		code := status.FailedPrecondition
		if errors.Is(err, os.ErrNotExist) {
			code = status.NotFound
		}
		return nil, status.Wrap(code, err, "load the deployment file")
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	text, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, status.Wrap(status.FailedPrecondition, err, "load the deployment file")
	}
	return text, nil
}

// Resolve returns a path that is written in the file as an absolute one: it is relative
// to the file's directory.
func (f *File) Resolve(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(f.dir, p)
}

// at returns where a field is written, as file:line:column.
func (f *File) at(field string) string {
	p := f.doc.at(field)
	return fmt.Sprintf("%s:%d:%d", f.Path, p.line, p.column)
}

// parse is Load of a file with the given text.
func parse(path string, text []byte) (*File, error) {
	f := &File{Path: path, text: text, Deployment: new(deploymentpb.Deployment)}
	f.doc = &document{path: path, places: map[string]place{}, fields: map[place]string{}, scalars: map[place]string{}}
	root, err := f.readYAML()
	if err != nil {
		return nil, err
	}
	f.doc.locate(root, f.Deployment.ProtoReflect().Descriptor(), "")
	o := protoyaml.UnmarshalOptions{CustomUnmarshaler: skipAny{}, DiscardUnknown: true}
	f.doc.addParseErrors(o.Unmarshal(f.text, f.Deployment))
	f.doc.validate(f.Deployment, "")
	f.rules()
	if err := asError(f.doc.findings); err != nil {
		return nil, err
	}
	return f, nil
}

// readYAML returns the one value in the file.
func (f *File) readYAML() (*yaml.Node, error) {
	f.text = bytes.TrimPrefix(bytes.ReplaceAll(f.text, []byte("\r\n"), []byte("\n")), []byte("\uFEFF"))
	if message, line := unreadable(f.text); message != "" {
		return nil, f.failed(line, message)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(f.text))
	var root, more yaml.Node
	err := decoder.Decode(&root)
	switch {
	case errors.Is(err, io.EOF):
		return nil, f.failed(1, "the file is empty: it needs guests")
	case err != nil:
		return nil, f.notYAML(err)
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, f.failed(more.Line, "the file has a second document: put it into a file of its own")
	} else if !errors.Is(err, io.EOF) {
		return nil, f.notYAML(err)
	}
	n := root.Content[0]
	if !f.doc.plain(n, 1) {
		return nil, asError(f.doc.findings)
	}
	if n.Kind != yaml.MappingNode {
		return nil, f.failed(max(root.Line, 1), "the file has no fields: it needs guests")
	}
	return n, nil
}

func (f *File) failed(line int, message string) error {
	return asError([]Finding{{f.Path, line, 1, "", message}})
}

// unreadable returns why a text is no YAML that people would see as it is read, and
// where; "" when it is.
func unreadable(text []byte) (message string, line int) {
	if bytes.HasPrefix(text, []byte("\x00asm")) {
		return "this is a guest, a WebAssembly module: pass a deployment file that names it as the wasm of a guest", 1
	}
	if len(text) > MaxSize {
		return fmt.Sprintf("the file has more than %d bytes", MaxSize), 1
	}
	line = 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1:
			return "the file is not UTF-8", line
		case r < ' ' && r != '\t', r == 0x85, r == 0x2028, r == 0x2029, r == 0xFEFF:
			return fmt.Sprintf("the file has a character that cannot be seen, %U: in a quoted value write it as an escape", r), line
		}
		text = text[size:]
	}
	return "", 0
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(?s:(.*))$`)

// notYAML is the error of a text that package yaml does not take. That names the line at which it
// gave up, if any.
func (f *File) notYAML(err error) error {
	m := yamlLine.FindStringSubmatch(err.Error())
	line, err := strconv.Atoi(m[1])
	if err != nil {
		line = 1
	}
	p := begins(f.text, line)
	return asError([]Finding{{f.Path, p.line, p.column, "", "from here on this is no YAML: " + m[2]}})
}

// maxBeginsSize bounds how large a text is that begins reads again and again.
const maxBeginsSize = 4 << 10

// begins returns where the value begins that is no YAML: a quoted text or a list that is
// not closed, say. The lines before it are the longest start of the text that is YAML by itself.
// Of a large text it is the line at which package yaml gave up.
func begins(text []byte, givenUp int) place {
	lines := bytes.SplitAfter(text, []byte("\n"))
	line := min(givenUp, len(lines))
	if len(text) <= maxBeginsSize {
		line = len(lines)
		for line > 1 && !isYAML(bytes.Join(lines[:line-1], nil)) {
			line--
		}
	}
	content := bytes.TrimLeft(lines[line-1], " \t")
	return place{line, len(lines[line-1]) - len(content) + 1}
}

// isYAML reports whether all documents of a text can be read.
func isYAML(text []byte) bool {
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		if err := decoder.Decode(new(yaml.Node)); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// skipAny leaves configurations out.
type skipAny struct{}

func (skipAny) Unmarshal(_ *yaml.Node, m proto.Message) (bool, error) {
	_, ok := m.(*anypb.Any)
	return ok, nil
}

var nodePosition = regexp.MustCompile(`^:(\d+):(\d+) `)

// addParseErrors notes what protoyaml found, whose errors say where in their texts alone.
func (d *document) addParseErrors(err error) {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all[:min(len(all), maxFindings)] { // each text has the whole line in it
		if err == nil {
			continue
		}
		p := place{1, 1}
		message := err.Error()
		if m := nodePosition.FindStringSubmatch(message); m != nil {
			p.line, _ = strconv.Atoi(m[1])
			p.column, _ = strconv.Atoi(m[2])
			message = errors.Unwrap(err).Error()
		}
		d.note(p, d.fields[p], parseErrorInWords(oneLine(message), d.scalars[p]))
	}
}

// ofStrconv matches what package strconv says before the value.
var ofStrconv = regexp.MustCompile(`strconv\.\w+: parsing `)

// oneLine returns a message of a library for a line of its own.
func oneLine(message string) string {
	return strings.Join(strings.Fields(ofStrconv.ReplaceAllString(message, "")), " ")
}

// validate notes what protovalidate finds wrong with a message, which is written in the
// given field.
func (d *document) validate(m proto.Message, field string) {
	err := protovalidate.Validate(m)
	var invalid *protovalidate.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		// What is wrong with a field comes before rules about several fields, which may follow from it.
		slices.SortStableFunc(invalid.Violations, func(a, b *protovalidate.Violation) int {
			return len(b.Proto.GetField().GetElements()) - len(a.Proto.GetField().GetElements())
		})
		for _, v := range invalid.Violations[:min(len(invalid.Violations), 10*maxFindings)] {
			path := protovalidate.FieldPathString(v.Proto.GetField())
			d.addAt(joinPaths(field, path), "%s", ruleInWords(m, v))
		}
	default:
		d.addAt(field, "%s", oneLine(err.Error()))
	}
}

func joinPaths(outer, inner string) string {
	if inner == "" {
		return outer
	}
	return join(outer, inner)
}
