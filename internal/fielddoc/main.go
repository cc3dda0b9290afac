// Command fielddoc writes the reference of the fields of deployment files into
// docs/runner.md, from the comments and the rules of their schema. It runs in the root of
// the repository, see "make generate".
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"buf.build/go/protovalidate"
	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

const (
	doc    = "docs/runner.md"
	source = "internal/deploy/proto"
	begin  = "<!-- From the schema, by make generate. Do not edit up to the end mark. -->\n"
	end    = "<!-- The end of what make generate writes. -->\n"
)

func main() {
	if err := run("."); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "fielddoc:", err)
		os.Exit(1) //nolint:forbidigo // the end of main
	}
}

func run(root string) error {
	text, err := os.ReadFile(root + "/" + doc)
	if err != nil {
		return err
	}
	with, err := replace(root, string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(root+"/"+doc, []byte(with), 0o644) //nolint:gosec // documentation is for all
}

// replace returns the text with the reference between its marks.
func replace(root, text string) (string, error) {
	before, rest, found := strings.Cut(text, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", fmt.Errorf("%s has lost the marks around the reference", doc)
	}
	fields, err := reference(root)
	return before + begin + "\n" + fields + end + after, err
}

// reference returns the reference of all messages of the schema, in its order.
func reference(root string) (string, error) {
	linked := deploymentpb.File_parigot_v1_deployment_proto
	compiler := protocompile.Compiler{
		SourceInfoMode: protocompile.SourceInfoStandard,
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{root + "/" + source}},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				d, err := protoregistry.GlobalFiles.FindFileByPath(path)
				return protocompile.SearchResult{Desc: d}, err
			}),
		},
	}
	files, err := compiler.Compile(context.Background(), linked.Path())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range linked.Messages().Len() {
		m := linked.Messages().Get(i)
		if err := message(&b, m, files[0].Messages().ByName(m.Name())); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// message writes a message: its comments are those of source, its rules those of m.
func message(b *strings.Builder, m, source protoreflect.MessageDescriptor) error {
	if source == nil {
		return fmt.Errorf("%s is not in the schema: run make generate", m.FullName())
	}
	fmt.Fprintf(b, "### %s\n\n%s\n\n| field | value | meaning |\n|---|---|---|\n", m.Name(), comment(source))
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		commented := source.Fields().ByName(f.Name())
		if commented == nil {
			return fmt.Errorf("%s is not in the schema: run make generate", f.FullName())
		}
		rules, err := protovalidate.ResolveFieldRules(f)
		if err != nil {
			return err
		}
		value := kind(f)
		if limits := describe(rules.ProtoReflect()); len(limits) > 0 {
			value += "; " + strings.Join(limits, ", ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name(), cell(value), cell(comment(commented)))
	}
	rules, err := protovalidate.ResolveMessageRules(m)
	if err != nil {
		return err
	}
	b.WriteByte('\n')
	for _, c := range rules.GetCel() {
		fmt.Fprintf(b, "- %s\n", c.GetMessage())
	}
	if len(rules.GetCel()) > 0 {
		b.WriteByte('\n')
	}
	return nil
}

func comment(d protoreflect.Descriptor) string {
	return strings.Join(strings.Fields(d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments), " ")
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// kind returns what a field is written as.
func kind(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "names, each with a " + one(f.MapValue())
	case f.IsList():
		return "list, each a " + one(f)
	}
	return one(f)
}

func one(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Message() == nil && f.Kind() == protoreflect.BoolKind:
		return "true or false"
	case f.Message() == nil && f.Kind() != protoreflect.StringKind:
		return "number"
	case f.Message() == nil:
		return "string"
	case f.Message().FullName() == "google.protobuf.Duration":
		return "duration"
	case f.Message().FullName() == "google.protobuf.Any":
		return "fields"
	}
	name := string(f.Message().Name())
	return "[" + name + "](#" + strings.ToLower(name) + ")"
}

// describe returns what rules say, in the order of their fields.
func describe(rules protoreflect.Message) []string {
	var found []protoreflect.FieldDescriptor
	rules.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		found = append(found, f)
		return true
	})
	slices.SortFunc(found, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number() - b.Number()) })
	var texts []string
	for _, f := range found {
		texts = append(texts, rule(f, rules.Get(f))...)
	}
	return texts
}

// comparisons are the rules that compare with a value, and how to say them.
var comparisons = map[protoreflect.Name]string{
	"gt": "more than ", "gte": "at least ", "lt": "less than ", "lte": "at most ",
	"min_items": "at least this many: ", "max_items": "at most this many: ", "pattern": "matches ",
}

// rule says one rule. One that it does not know is written as it is in the schema, so
// that none is left out.
func rule(f protoreflect.FieldDescriptor, v protoreflect.Value) []string {
	switch name := f.Name(); {
	case name == "ignore":
		return nil // without the field there is nothing to check
	case name == "required":
		return []string{"required"}
	case name == "in":
		var values []string
		for i := range v.List().Len() {
			values = append(values, "`"+v.List().Get(i).String()+"`")
		}
		return []string{"one of " + strings.Join(values, ", ")}
	case name == "items" || name == "keys" || name == "values":
		var texts []string
		for _, text := range describe(v.Message()) {
			texts = append(texts, map[protoreflect.Name]string{"items": "each ", "keys": "each name ", "values": "each value "}[name]+text)
		}
		return texts
	case comparisons[name] != "":
		return []string{comparisons[name] + value(v)}
	case f.Message() != nil && !f.IsList() && !f.IsMap():
		return describe(v.Message())
	default:
		return []string{string(name) + ": " + value(v)}
	}
}

func value(v protoreflect.Value) string {
	switch v := v.Interface().(type) {
	case string:
		return "`" + v + "`"
	case uint64:
		return strconv.FormatUint(v, 10)
	case protoreflect.Message:
		if d, ok := v.Interface().(*durationpb.Duration); ok {
			return d.AsDuration().String()
		}
	}
	return v.String()
}
