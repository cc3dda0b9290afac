// Package file is a plugin that gives guests files, which they have none of by
// themselves: the files below one directory of the host, and no other.
//
// A host links it in and starts it with its configuration:
//
//	err := pluginsdk.Start(ctx, engine, file.ParigotInitialize,
//		pluginsdk.WithConfig(&filev1.FileConfig{Root: "/srv/guests"}))
//
// Its guests call it through filev1parigot.NewFileClient. What the calls do and
// which errors they have is written in proto/file/v1/file.proto, what the
// plugin guarantees to its host in README.md. A plugin is a part of the host, so
// for guests (GOOS=wasip1) this package is empty.
package file
