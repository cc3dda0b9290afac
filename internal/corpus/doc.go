// Package corpus runs the generator on real services that nobody here wrote:
// those of published Go modules, listed in modules.txt, which the imports of
// this package register with the protobuf runtime.
//
// [Load] takes their descriptors from the registry, [Corpus.Generate] makes the
// code for all of them in one request, and [Output.Build] compiles it for the
// host and for wasip1 against the message types of those modules, and registers
// every service with one engine. [Run] does all of that and fills a [Board].
//
// The imports are a quick form, which make test runs, and with the build tag
// corpusfull the full one, which make corpus runs.
package corpus

//go:generate go run ./cmd/imports

import _ "embed"

// moduleList is modules.txt, which says what module a package is of.
//
//go:embed modules.txt
var moduleList string
