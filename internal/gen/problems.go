package gen

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// position is a place in a proto file. Line and column count from 1; 0 means
// that the request came without source info.
type position struct {
	file         string
	line, column int
}

func (p position) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column)
}

// positionOf returns where desc is declared.
func positionOf(desc protoreflect.Descriptor) position {
	return locate(desc.ParentFile(), desc.ParentFile().SourceLocations().ByDescriptor(desc))
}

// positionOfOption returns where the option of desc that path leads to is set,
// or where desc is declared when the source info does not say.
func positionOfOption(desc protoreflect.Descriptor, path ...int32) position {
	own := sourcePath(desc)
	if at := positionOfPath(desc.ParentFile(), append(own, path...)); at.line != 0 {
		return at
	}
	return positionOf(desc)
}

// positionOfPath returns where the option is set that path leads to, or what
// holds it. The path is that of the extension at least.
func positionOfPath(file protoreflect.FileDescriptor, path protoreflect.SourcePath) position {
	for ; len(path) > 1; path = path[:len(path)-1] {
		if loc := file.SourceLocations().ByPath(path); loc.Path != nil {
			return locate(file, loc)
		}
	}
	return position{file: file.Path()}
}

// sourcePath returns the path of a top-level service or enum, of a method, or
// of an enum nested in messages.
func sourcePath(desc protoreflect.Descriptor) protoreflect.SourcePath {
	return slices.Clone(desc.ParentFile().SourceLocations().ByDescriptor(desc).Path)
}

func locate(file protoreflect.FileDescriptor, loc protoreflect.SourceLocation) position {
	if loc.Path == nil {
		return position{file: file.Path()}
	}
	return position{file: file.Path(), line: loc.StartLine + 1, column: loc.StartColumn + 1}
}

// problems collects what is wrong with the input, so that one run reports all
// of it.
type problems struct {
	list []problem
}

type problem struct {
	at   position
	text string
}

func (p *problems) add(at position, format string, args ...any) {
	p.list = append(p.list, problem{at: at, text: fmt.Sprintf(format, args...)})
}

// err returns nil when there are no problems, and otherwise an error with one
// line for each, in the order of the files and lines.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b problem) int {
		return cmp.Or(
			cmp.Compare(a.at.file, b.at.file),
			cmp.Compare(a.at.line, b.at.line),
			cmp.Compare(a.at.column, b.at.column),
			cmp.Compare(a.text, b.text),
		)
	})
	lines := make([]string, 0, len(p.list))
	for _, one := range slices.Compact(p.list) {
		lines = append(lines, one.at.String()+": "+one.text)
	}
	return errors.New(strings.Join(lines, "\n"))
}
