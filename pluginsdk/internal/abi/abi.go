// Package abi holds what both sides of ABI v1 must agree on. docs/abi.md is its
// description.
package abi

// The import module of the functions that every guest may use, and their names.
const (
	Module = "parigot"
	Take   = "take"
	Header = "header"
)

// MaxHeader is the size limit of an encoded call header, in bytes.
const MaxHeader = 64 << 10

// Result packs what a host function returns: a code, 0 for success, and the
// number of bytes of the response or of the status.
func Result(code int32, n uint32) uint64 {
	return uint64(uint32(code))<<32 | uint64(n)
}

// Split is the inverse of [Result].
func Split(result uint64) (code int32, n uint32) {
	return int32(uint32(result >> 32)), uint32(result)
}
