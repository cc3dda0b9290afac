package visible

import "embed"

// Source has the source of this package. Caches of modules whose names were masked name their
// entries by it.
//
//go:embed visible.go source.go
var Source embed.FS
