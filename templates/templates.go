// Package templates holds the text of the code that protoc-gen-parigot writes.
//
// The templates loop over a view model that package internal/gen has made, and
// print what it says. They take no decision about names, types or imports:
//
//   - {{go "pluginsdk.Service"}} prints an identifier of a package that generated
//     code builds on, and makes the file import that package;
//   - {{ident .Input.GoIdent}} does the same for an identifier of a proto file;
//   - {{link "guest.Offer"}} prints a doc link to such an identifier;
//   - {{comment .Prose .Carried .Deprecation}} prints a doc comment: wrapped
//     prose, then the comment of the proto file, then the deprecation;
//     {{commentOr …}} leaves out the prose when the proto file has a comment.
package templates

import "embed"

// FS holds all templates, by file name.
//
//go:embed *.go.tmpl
var FS embed.FS
