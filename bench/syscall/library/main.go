//go:build wasip1

// Library is the guest of the benchmark that is a library: it serves its host.
package main

import (
	"github.com/iansmith/parigot/bench/call/gen/echo/v1/echov1parigot"
	"github.com/iansmith/parigot/bench/syscall/echo"
)

func init() { echov1parigot.RegisterEcho(echo.Server{}) }

func main() {}
