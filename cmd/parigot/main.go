// Parigot runs WebAssembly guests with the plugins that they call; see
// docs/runner.md, and parigot --help. The plugins of the examples are linked in, under
// the names "file", "queue" and "syscall".
package main

import "github.com/iansmith/parigot/runner"

func main() { runner.Main() }
