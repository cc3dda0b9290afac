// Package gen turns a CodeGeneratorRequest into the files that
// protoc-gen-parigot writes.
//
// [Generate] works in three steps, each in files of its own: the descriptors
// become a view model (view.go, names.go, options.go, ids.go, redacted.go,
// comments.go), the view model is checked (problems.go), and templates print it
// (render.go, rawfile.go).
//
// The modes impl=DIR and guest_impl=DIR, which write the skeleton of an
// implementation or add to one, share the view model and continue in skeleton.go;
// implkind.go says how they differ. That their output cannot land on files that the
// run has not read is the business of place.go, template.go and tree.go. How a hand-edited file grows without losing a byte is that of package
// github.com/iansmith/parigot/internal/gen/merge.
//
// Nothing here writes a file, prints, or ends the process.
package gen
