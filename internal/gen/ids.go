package gen

import (
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/optionspb"
)

// idView is one kind of id.
type idView struct {
	idNames
	Words    string // what people read
	Letter   string
	Carried  string
	location protogen.Location
	by       owner
}

// idNames are all Go identifiers of a kind of id.
type idNames struct {
	TypeName      string // the id
	KindName      string // its kind
	NewName       string // function that makes a random one
	ParseName     string // function that reads the printed form
	FromProtoName string // function that takes it from a message
}

// namesOfID is the one place that makes the identifiers of a kind of id.
func namesOfID(goName string) idNames {
	return idNames{
		TypeName:      goName + "Id",
		KindName:      goName + "IdKind",
		NewName:       "New" + goName + "Id",
		ParseName:     "Parse" + goName + "Id",
		FromProtoName: goName + "IdFromProto",
	}
}

func (n idNames) all() []string {
	return []string{n.TypeName, n.KindName, n.NewName, n.ParseName, n.FromProtoName}
}

var (
	idName      = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*$`)
	idShortName = regexp.MustCompile(`^[a-z][a-z0-9]*([ _-][a-z0-9]+)*$`)
	idLetter    = regexp.MustCompile(`^[a-z]$`)
)

// idsOf returns the kinds of ids of a file. Those with something wrong in them
// are left out, and p knows why.
func idsOf(p *problems, file protoreflect.FileDescriptor) []*idView {
	if !proto.HasExtension(file.Options(), optionspb.E_File) {
		return nil
	}
	options := proto.GetExtension(file.Options(), optionspb.E_File).(*optionspb.FileOptions)
	taken := newIDValues(p)
	var views []*idView
	for i, kind := range options.GetIds() {
		path := protoreflect.SourcePath{optionsOfFile, extensionNumber, 1, int32(i)}
		at := positionOfPath(file, path)
		if !taken.claim(at, kind) {
			continue
		}
		views = append(views, &idView{
			idNames:  namesOfID(camelCase(kind.GetName())),
			Words:    wordsOf(kind),
			Letter:   kind.GetLetter(),
			Carried:  carried(protogen.Comments(file.SourceLocations().ByPath(path).LeadingComments)),
			location: protogen.Location{SourceFile: file.Path(), Path: path},
			by:       owner{what: fmt.Sprintf("the id %q", kind.GetName()), at: at},
		})
	}
	return views
}

// wordsOf returns what people read in place of the name of a kind.
func wordsOf(kind *optionspb.IdKind) string {
	if kind.GetShortName() != "" {
		return kind.GetShortName()
	}
	return strings.ReplaceAll(kind.GetName(), "_", " ")
}

// camelCase returns "queue_message" as "QueueMessage". Different names stay
// different, because each word starts with a letter.
func camelCase(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// idValues finds kinds of ids that cannot be told apart.
type idValues struct {
	problems *problems
	taken    map[[2]string]position // by field and value
}

func newIDValues(p *problems) *idValues {
	return &idValues{problems: p, taken: make(map[[2]string]position)}
}

// claim takes the values of a kind, and reports whether that went well.
func (v *idValues) claim(at position, kind *optionspb.IdKind) bool {
	name := v.value(at, "name", kind.GetName(), idName, `lower-case words joined by underscores, such as "queue_message"`)
	letter := v.value(at, "letter", kind.GetLetter(), idLetter, `one letter from "a" to "z"`)
	if !name {
		return false
	}
	short := v.value(at, "short_name", wordsOf(kind), idShortName, `lower-case words joined by spaces, hyphens or underscores`)
	return letter && short
}

func (v *idValues) value(at position, field, value string, form *regexp.Regexp, want string) bool {
	if !form.MatchString(value) {
		v.problems.add(at, "the %s %q of an id is not valid: want %s", field, value, want)
		return false
	}
	key := [2]string{field, value}
	if first, ok := v.taken[key]; ok {
		v.problems.add(at, "the %s %q of an id is taken by another of this file (%s)", field, value, first)
		return false
	}
	v.taken[key] = at
	return true
}
