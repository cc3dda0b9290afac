package fuel

import "embed"

// Source has the source of this package. What [Meter] makes of a module depends on that, on
// package wasm, and on nothing else, so caches of metered modules name their entries by it.
//
//go:embed code.go effort.go fuel.go heights.go instructions.go long.go names.go sections.go source.go
var Source embed.FS
