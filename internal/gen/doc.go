// Package gen turns a CodeGeneratorRequest into the files that
// protoc-gen-parigot writes.
//
// [Generate] works in three steps, each in files of its own: the descriptors
// become a view model (view.go, names.go, options.go, ids.go, redacted.go,
// comments.go), the view model is checked (problems.go), and templates print it
// (render.go, rawfile.go).
//
// The mode impl=DIR, which writes the skeleton of an implementation or adds to
// one, shares the view model and continues in skeleton.go. That its output cannot
// land on files that the run has not read is the business of place.go, template.go
// and tree.go. How a hand-edited file grows without losing a byte is that of package
// github.com/iansmith/parigot/internal/gen/merge.
//
// Nothing here writes a file, prints, or ends the process.
package gen
