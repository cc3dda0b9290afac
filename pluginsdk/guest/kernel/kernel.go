// Package kernel lets a guest serve others, and call those that serve: it is what
// the generated functions Serve… and Locate… stand on. The host has to run the
// plugin in examples/syscall, the kernel.
//
// A guest that serves is a type with the methods of a generated interface, and
//
//	err := greetingv1parigot.ServeGreeting(ctx, new(greeter))
//
// Each call runs on a goroutine of its own. Its context carries the deadline and the
// metadata of the caller, see [guest.Metadata], and who that is, see
// [CallerFromContext]; it ends when the caller does not wait any longer. Calls that
// the method makes with it are made on behalf of the one that it serves.
//
// A guest that calls has a client of the same interface as that of a plugin of the
// host:
//
//	greeting, err := greetingv1parigot.LocateGreeting(ctx)
//	resp, err := greeting.Greet(ctx, req)
//
// Errors of the service arrive as they are. That nobody serves it now is UNAVAILABLE,
// as where a plugin is gone: a later call reaches whoever serves it then. What the
// kernel called it, such as CallerUnavailable, is found by [errors.Is], too.
package kernel

import (
	"fmt"
)

// ExitError is what [Serve] returns when all guests were asked to end with an exit
// code other than 0, so that main can pass it on to [os.Exit].
type ExitError struct {
	// Code is the exit code, from 1 to 255.
	Code int
}

// Error says what the exit code is.
func (e *ExitError) Error() string {
	return fmt.Sprintf("all guests were asked to end with the exit code %d", e.Code)
}

// Limits of what a guest serves at a time. A call beyond them is RESOURCE_EXHAUSTED.
const (
	// MaxCalls bounds the calls that a guest serves at a time.
	MaxCalls = 1024
	// MaxBytes bounds the requests of these calls together, in bytes, except that one
	// alone may have more.
	MaxBytes = 64 << 20
)
