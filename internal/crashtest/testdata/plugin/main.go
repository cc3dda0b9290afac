//go:build !wasip1

// Command plugin is the plugin of package crash, for the placements so and process.
package main

import (
	"github.com/iansmith/parigot/internal/crashtest/testdata/crash"
	"github.com/iansmith/parigot/pluginsdk/process"
)

// ParigotInitialize is the plugin.
var ParigotInitialize = crash.ParigotInitialize

func main() { process.Main(ParigotInitialize) }
