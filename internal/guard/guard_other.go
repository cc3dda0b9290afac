//go:build !unix

package guard

import (
	"errors"
	"os/exec"
)

// Supported reports whether this executable can be the guard of a program.
func Supported() bool { return false }

func startGuarded(cmd *exec.Cmd) (*Process, error) { return startDirect(cmd) }

func startDirect(*exec.Cmd) (*Process, error) { return nil, errors.ErrUnsupported }
