// Package process is the placement of a plugin in a process of its own: what goes wrong
// in there stays in there.
//
// The plugin is a program:
//
//	func main() { process.Main(ParigotInitialize) }
//
// and to a host it is a [pluginsdk.ParigotInit] like any other:
//
//	err := pluginsdk.Start(ctx, host, process.Plugin("/usr/lib/parigot/file"), pluginsdk.WithConfig(config))
//
// Requests and responses are handed on as the bytes that they are, so the host needs no
// code of the plugin's services. When the process ends, calls in flight and calls that
// come get UNAVAILABLE at once; no call is made twice. The process is started again,
// later each time, see [WithBackoff] and [WithBreaker]. What a plugin kept in memory is
// gone then: guests get errors for ids that it does not know any more.
//
// docs/process.md has the rules and the bytes. The package works on Linux and other
// unix systems; on Windows it builds, and says that it does not work.
package process
