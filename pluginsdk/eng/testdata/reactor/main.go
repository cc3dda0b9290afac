//go:build wasip1

// A guest that is a library.
package main

import "os"

var count int64

//go:wasmexport add
func add(n int64) int64 {
	count += n
	return count
}

//go:wasmexport spin
func spin() {
	for {
		count++
	}
}

//go:wasmexport fail
func fail() { panic("the guest's own fault") }

//go:wasmexport leave
func leave() { os.Exit(3) }

func main() {}
