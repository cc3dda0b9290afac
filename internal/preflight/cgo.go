//go:build cgo && (linux || darwin || freebsd)

package preflight

const unsupported = ""
