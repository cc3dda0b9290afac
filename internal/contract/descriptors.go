package contract

import (
	"bytes"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/internal/wirecost"
)

// The Go code that protoc-gen-go makes of a proto file holds the file's descriptor, as
// encoded bytes, and Go's linker puts them into the module's data. That is where
// findFiles finds them. A second build that prints them could print others, and would
// run code of the guest outside of any sandbox.

// fileFields are the fields of google.protobuf.FileDescriptorProto, with their wire
// types, in the order in which they are encoded.
var fileFields = map[protowire.Number]protowire.Type{
	1: protowire.BytesType, 2: protowire.BytesType, 3: protowire.BytesType, 4: protowire.BytesType, 5: protowire.BytesType,
	6: protowire.BytesType, 7: protowire.BytesType, 8: protowire.BytesType, 9: protowire.BytesType,
	10: protowire.VarintType, 11: protowire.VarintType, 12: protowire.BytesType, 14: protowire.VarintType,
	15: protowire.BytesType,
}

// syntaxes are the values of the field syntax. Only "editions" has fields behind it.
var syntaxes = []string{"proto2", "proto3", "editions"}

const (
	fieldName   = 1
	fieldSyntax = 12
	// maxPath bounds the path of a proto file.
	maxPath = 1024
	// maxTries is how many fields at the end of a descriptor may turn out to be none.
	maxTries = 4
	// maxFoundDecoded bounds what all descriptors together take when they are decoded, in
	// bytes. A step of the search counts as one.
	maxFoundDecoded = 128 << 20
)

// findFiles returns the descriptors of proto files in memory. Two different ones of one
// path are both there. It is not complete past a limit.
func findFiles(memory []wasm.Piece) (files []*descriptorpb.FileDescriptorProto, complete bool) {
	byPath := map[string][]*descriptorpb.FileDescriptorProto{}
	suffix := []byte(".proto")
	left := maxFoundDecoded
	for _, p := range memory {
		for from := 0; ; {
			i := bytes.Index(p.Bytes[from:], suffix)
			if i < 0 {
				break
			}
			from += i + len(suffix)
			start := pathStart(p.Bytes, from, &left)
			if left <= 0 || len(files) > wirecost.MaxFiles {
				return files, false
			}
			if start < 0 {
				continue
			}
			f := fileAt(p.Bytes[start:], &left)
			if f == nil {
				continue
			}
			known := byPath[f.GetName()]
			if len(known) < maxVersions && !slices.ContainsFunc(known, func(g *descriptorpb.FileDescriptorProto) bool { return proto.Equal(f, g) }) {
				byPath[f.GetName()] = append(known, f)
				files = append(files, f)
			}
		}
	}
	return files, true
}

// maxVersions bounds the different descriptors of one path.
const maxVersions = 8

// pathStart returns where the field starts that is a path and ends at end, or -1. It takes
// its steps from left.
func pathStart(b []byte, end int, left *int) int {
	const tag = fieldName<<3 | byte(protowire.BytesType)
	for n := 1; n <= min(maxPath, end-2); n++ {
		*left--
		at := end - n
		switch {
		case n < 0x80 && b[at-1] == byte(n) && b[at-2] == tag:
			return at - 2
		case n >= 0x80 && at > 2 && b[at-1] == byte(n>>7) && b[at-2] == byte(n)|0x80 && b[at-3] == tag:
			return at - 3
		}
		if b[at] < ' ' {
			return -1
		}
	}
	return -1
}

// fileAt returns the descriptor that b starts with, or nil. Nothing says how long it is,
// but its fields come in order, the first one once. What follows it may look like a next
// one by chance, but then hardly like one that decodes. left is what may still be taken for
// descriptors, in bytes, as each may seem to hold all that follow. Past it there is none.
func fileAt(b []byte, left *int) *descriptorpb.FileDescriptorProto {
	n, last, syntax := 0, protowire.Number(0), ""
	var ends []int      // of fields, the last ones
	const perField = 16 // bytes that a field counts for
	for *left > 0 {
		*left -= perField
		number, wireType, size := protowire.ConsumeTag(b[n:])
		if want, ok := fileFields[number]; size < 0 || !ok || want != wireType {
			break
		}
		if number < last || last == fieldName && number == fieldName {
			break
		}
		value := protowire.ConsumeFieldValue(number, wireType, b[n+size:])
		if number == fieldSyntax {
			syntax, _ = protowire.ConsumeString(b[n+size:])
		}
		if value < 0 || number == fieldSyntax && !slices.Contains(syntaxes, syntax) || number > fieldSyntax && syntax != "editions" {
			break
		}
		n, last = n+size+value, number
		if len(ends) == maxTries+1 {
			ends = append(ends[:0], ends[1:]...)
		}
		ends = append(ends, n)
	}
	for tries := 0; tries < maxTries && len(ends) > 1 && *left > 0; tries++ { // a name alone is no file
		f := &descriptorpb.FileDescriptorProto{}
		encoded := b[:ends[len(ends)-1]]
		ends = ends[:len(ends)-1]
		cost, err := wirecost.Of(f).Scan(encoded, uint64(*left))
		*left -= max(int(cost), len(encoded))
		if err == nil && proto.Unmarshal(encoded, f) == nil {
			return f
		}
	}
	return nil
}

// linkFiles connects the files that belong together. Of a file that is there in
// different forms, and of what does not hold together, problems tells, by its path.
func linkFiles(found []*descriptorpb.FileDescriptorProto) (files *protoregistry.Files, problems map[string]error) {
	l := linker{
		byPath: map[string][]*descriptorpb.FileDescriptorProto{}, files: &protoregistry.Files{}, problems: map[string]error{},
		begun: map[string]bool{},
	}
	if err := wirecost.CheckFiles(&descriptorpb.FileDescriptorSet{File: found}); err != nil {
		l.problems[""] = fmt.Errorf("the descriptors in the module are left out: %w", err)
		return l.files, l.problems
	}
	for _, f := range found {
		l.byPath[f.GetName()] = append(l.byPath[f.GetName()], f)
	}
	for _, f := range found {
		l.link(f.GetName())
	}
	return l.files, l.problems
}

type linker struct {
	byPath   map[string][]*descriptorpb.FileDescriptorProto
	begun    map[string]bool
	files    *protoregistry.Files
	problems map[string]error
}

func (l *linker) link(path string) {
	found := l.byPath[path]
	if l.begun[path] || len(found) == 0 {
		return
	}
	l.begun[path] = true
	if len(found) > 1 {
		l.problems[path] = fmt.Errorf("the module holds %d different descriptors of the file %s", len(found), path)
		return
	}
	for _, dependency := range found[0].GetDependency() {
		l.link(dependency)
	}
	fd, err := protodesc.FileOptions{AllowUnresolvable: true}.New(found[0], l.files)
	if err == nil {
		err = l.files.RegisterFile(fd)
	}
	if err != nil {
		l.problems[path] = fmt.Errorf("the descriptor of the file %s does not hold together: %w", path, err)
	}
}

// allServices returns the services in files, by their full names.
func allServices(files *protoregistry.Files) map[protoreflect.FullName]protoreflect.ServiceDescriptor {
	services := map[protoreflect.FullName]protoreflect.ServiceDescriptor{}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			s := fd.Services().Get(i)
			services[s.FullName()] = s
		}
		return true
	})
	return services
}
