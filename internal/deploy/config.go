package deploy

import (
	"fmt"
	"maps"
	"slices"

	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const typeField = "@type"

// config returns the configuration of p, one of the file's plugins, as a message of the
// type that description has. Without one in the file it is nil. What is wrong with it is
// an [Error].
func (f *File) config(p *deploymentpb.Plugin, description pluginsdk.Description) (proto.Message, error) {
	i := slices.Index(f.Deployment.GetPlugins(), p)
	if i < 0 {
		return nil, status.Errorf(status.InvalidArgument, "the plugin %s is none of %s", p.GetName(), f.Path)
	}
	doc := f.doc.again()
	field := fmt.Sprintf("plugins[%d].config", i)
	var message proto.Message
	switch {
	case description.Config == nil && p.GetConfig() == nil:
		return nil, nil //nolint:nilnil // there is none
	case description.Config == nil:
		doc.addAt(field, "the plugin %s has no configuration", p.GetName())
	default:
		message = description.Config.ProtoReflect().New().Interface()
		if p.GetConfig() != nil {
			f.readConfig(doc, field, message)
		}
		doc.validate(message, field)
	}
	if err := asError(doc.findings); err != nil || p.GetConfig() == nil {
		return nil, err
	}
	return message, nil
}

// again returns the document without what was found in it, to look for more.
func (d *document) again() *document {
	return &document{path: d.path, places: maps.Clone(d.places), fields: maps.Clone(d.fields), scalars: maps.Clone(d.scalars)}
}

// readConfig reads the configuration that is written in a field into a message. It has
// protoyaml read the file again, with the type of that field known, so that errors
// have their places.
func (f *File) readConfig(doc *document, field string, message proto.Message) {
	name := message.ProtoReflect().Descriptor().FullName()
	r := &configReader{at: doc.at(field), name: name, others: make(map[place]bool)}
	for i := range f.Deployment.GetPlugins() {
		if other := fmt.Sprintf("plugins[%d].config", i); other != field {
			r.others[doc.at(other)] = true
		}
	}
	r.before = func(n *yaml.Node) {
		doc.configType(n, field, name)
		doc.locate(n, message.ProtoReflect().Descriptor(), field)
	}
	into := new(deploymentpb.Deployment)
	o := protoyaml.UnmarshalOptions{
		CustomUnmarshaler: r,
		DiscardUnknown:    true,
		Resolver:          configTypes{protoregistry.GlobalTypes, message.ProtoReflect().Type()},
	}
	doc.addParseErrors(o.Unmarshal(f.text, into))
	if err := proto.Unmarshal(r.read.GetValue(), message); err != nil {
		doc.addAt(field, "%v", err)
	}
}

// configType takes the @type from a configuration, which may have one, of the type
// that it has in any case.
func (d *document) configType(n *yaml.Node, field string, name protoreflect.FullName) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value != typeField {
			continue
		}
		if (&anypb.Any{TypeUrl: value.Value}).MessageName() != name {
			d.add(value, field, "the configuration of this plugin is a %s: leave %s out", name, typeField)
		}
		n.Content = slices.Delete(n.Content, i, i+2)
		return
	}
}

// configReader gives the type of one configuration to protoyaml, and skips all others.
type configReader struct {
	at     place
	others map[place]bool
	name   protoreflect.FullName
	before func(*yaml.Node)
	read   *anypb.Any
}

// Unmarshal implements [protoyaml.CustomUnmarshaler].
func (r *configReader) Unmarshal(n *yaml.Node, m proto.Message) (bool, error) {
	a, ok := m.(*anypb.Any)
	at := place{n.Line, n.Column}
	if !ok || at != r.at {
		return ok && r.others[at], nil // one in the configuration has its type with it
	}
	r.before(n)
	r.read = a
	word := func(text string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Line: n.Line, Column: n.Column}
	}
	n.Content = append([]*yaml.Node{word(typeField), word("type.googleapis.com/" + string(r.name))}, n.Content...)
	return false, nil
}

// configTypes finds the type of a configuration, which need not be linked into this
// program, beside those that are.
type configTypes struct {
	*protoregistry.Types
	config protoreflect.MessageType
}

func (t configTypes) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if (&anypb.Any{TypeUrl: url}).MessageName() == t.config.Descriptor().FullName() {
		return t.config, nil
	}
	return t.Types.FindMessageByURL(url)
}
