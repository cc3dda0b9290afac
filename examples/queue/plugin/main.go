//go:build !wasip1

// Command plugin is the plugin as a program of its own, see package process.
package main

import (
	"github.com/iansmith/parigot/examples/queue"
	"github.com/iansmith/parigot/pluginsdk/process"
)

// ParigotInitialize is the plugin.
var ParigotInitialize = queue.ParigotInitialize

func main() { process.Main(ParigotInitialize) }
