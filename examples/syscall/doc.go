// Package syscall is a plugin that lets the guests of one engine serve each
// other: the kernel. Guests export services, require and locate those of others,
// and call them, as if a plugin of the host answered.
//
// A host links it in and starts it; without a configuration it has the defaults
// of a [syscallpb.SyscallConfig]:
//
//	err := pluginsdk.Start(ctx, engine, syscall.ParigotInitialize)
//
// Code of the host calls what guests serve through a [pluginsdk.Dispatcher], which
// [pluginsdk.WithDispatcher] gets when the host starts the plugin:
//
//	var guests pluginsdk.Dispatcher
//	err := pluginsdk.Start(ctx, engine, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&guests))
//	greeting := greetingv1parigot.NewGreetingClient(guests)
//
// To the guests the host is a caller without id and name, which no guest can be;
// for the limits it counts as one guest.
//
// What the calls do and which errors they have is written in
// pluginsdk/proto/syscall/v1/syscall.proto, what the plugin guarantees in
// README.md. A plugin is a part of the host, so for guests (GOOS=wasip1) this
// package is empty.
//
// Inside there are four parts. [HostFinder] knows the guests, [SyscallData] the
// services and which needs which, [CallMatcher] the calls whose callers went on
// without the result, and each guest has an inbox, where calls and notices wait for
// its Next. Nobody waits while holding a lock.
package syscall
