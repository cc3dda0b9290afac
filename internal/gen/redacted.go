package gen

import (
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// redactedMessages returns the messages that have, at any depth, a field with
// the option debug_redact. It looks at each field once, however the messages
// contain each other.
func redactedMessages(files []*protogen.File) map[protoreflect.FullName]bool {
	r := &redaction{
		redacted: make(map[protoreflect.FullName]bool),
		users:    make(map[protoreflect.FullName][]protoreflect.FullName),
	}
	for _, file := range files {
		r.addAll(file.Messages)
	}
	for len(r.pending) > 0 {
		name := r.pending[len(r.pending)-1]
		r.pending = r.pending[:len(r.pending)-1]
		for _, user := range r.users[name] {
			r.mark(user)
		}
	}
	return r.redacted
}

type redaction struct {
	redacted map[protoreflect.FullName]bool
	users    map[protoreflect.FullName][]protoreflect.FullName // who has fields of a type
	pending  []protoreflect.FullName                           // redacted, with users to mark
}

func (r *redaction) addAll(messages []*protogen.Message) {
	for _, message := range messages {
		name := message.Desc.FullName()
		for _, field := range message.Fields {
			if field.Desc.Options().(*descriptorpb.FieldOptions).GetDebugRedact() {
				r.mark(name)
			}
			if field.Message != nil {
				of := field.Message.Desc.FullName()
				r.users[of] = append(r.users[of], name)
			}
		}
		r.addAll(message.Messages)
	}
}

func (r *redaction) mark(name protoreflect.FullName) {
	if !r.redacted[name] {
		r.redacted[name] = true
		r.pending = append(r.pending, name)
	}
}
