package main

import "github.com/iansmith/parigot/internal/compiler"

// The engine's compiler has a process of its own since it had this package, which older versions
// do not have.
func init() { compiler.Main() }
