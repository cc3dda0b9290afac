// Parigot runs WebAssembly guests with the plugins that they call; see parigot --help.
// The plugins of the examples are linked in, under the names "file", "queue" and
// "syscall".
package main

import (
	"github.com/iansmith/parigot/examples/file"
	"github.com/iansmith/parigot/examples/queue"
	"github.com/iansmith/parigot/examples/syscall"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/runner"
)

func main() {
	pluginsdk.Register("file", file.ParigotInitialize)
	pluginsdk.Register("queue", queue.ParigotInitialize)
	pluginsdk.Register("syscall", syscall.ParigotInitialize)
	runner.Main()
}
