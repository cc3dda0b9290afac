// A plugin whose initialisation panics.
package main

import "github.com/iansmith/parigot/pluginsdk"

// ParigotInitialize is nil.
var ParigotInitialize pluginsdk.ParigotInit

func init() { panic("not today") }

func main() {}
