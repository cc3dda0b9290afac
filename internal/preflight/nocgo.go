//go:build !cgo || (!linux && !darwin && !freebsd)

package preflight

const unsupported = "this host cannot load Go plugins: it was built without cgo, or for a system that has none; build it with CGO_ENABLED=1 and a C compiler on Linux, macOS or FreeBSD, or link the plugin in"
