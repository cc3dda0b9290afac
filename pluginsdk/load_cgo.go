//go:build cgo && (linux || darwin || freebsd)

package pluginsdk

// noPlugins says why this host cannot load plugins; "" when it can.
const noPlugins = ""
