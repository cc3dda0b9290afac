package wasm

import "embed"

// Source has the source of this package. Caches of rewritten modules name their entries by it.
//
//go:embed data.go image.go module.go names.go reader.go source.go
var Source embed.FS
