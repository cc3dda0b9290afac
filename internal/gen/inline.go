package gen

import (
	"bytes"
	"fmt"
	"text/template"
	"text/template/parse"
)

// A call of a function takes a template about a microsecond, and a method of a service has
// dozens of {{go "name.Ident"}}, which are the same in all files but for the names of
// packages. So templates have them as text, in marks, which become identifiers when a file
// is complete.

// The marks around what sdkIdent takes. No other text of a file can hold them, see printable.
const (
	openMark  = '\x01'
	closeMark = '\x02'
)

// inlined replaces the calls of the function go by text, in t and all templates beside it.
func inlined(t *template.Template) *template.Template {
	for _, one := range t.Templates() {
		if one.Tree != nil {
			inline(one.Root)
		}
	}
	return t
}

func inline(list *parse.ListNode) {
	if list == nil {
		return
	}
	for i, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.ActionNode:
			if name, ok := calledByName(node.Pipe); ok {
				text := fmt.Sprintf("%c%s%c", openMark, name, closeMark)
				list.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: node.Pos, Text: []byte(text)}
			}
		case *parse.IfNode:
			inline(node.List)
			inline(node.ElseList)
		case *parse.RangeNode:
			inline(node.List)
			inline(node.ElseList)
		case *parse.WithNode:
			inline(node.List)
			inline(node.ElseList)
		}
	}
}

// calledByName returns the name in a call such as {{go "context.Context"}}.
func calledByName(pipe *parse.PipeNode) (string, bool) {
	if len(pipe.Decl) > 0 || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 2 {
		return "", false
	}
	function, ok := pipe.Cmds[0].Args[0].(*parse.IdentifierNode)
	name, isText := pipe.Cmds[0].Args[1].(*parse.StringNode)
	if !ok || !isText || function.Ident != "go" {
		return "", false
	}
	return name.Text, true
}

// resolve returns text with identifiers in the place of marks.
func (b *binding) resolve(text []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(text))
	for {
		before, rest, ok := bytes.Cut(text, []byte{openMark})
		out.Write(before)
		if !ok {
			return out.Bytes(), nil
		}
		name, after, _ := bytes.Cut(rest, []byte{closeMark})
		ident, err := b.sdkIdent(string(name))
		if err != nil {
			return nil, err
		}
		out.WriteString(ident)
		text = after
	}
}
