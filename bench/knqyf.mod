// The generator of knqyf263/go-plugin, which does not build with the vtprotobuf that the
// benchmark uses.
module github.com/iansmith/parigot/bench/knqyf

go 1.26.7

tool github.com/knqyf263/go-plugin/cmd/protoc-gen-go-plugin

require (
	github.com/knqyf263/go-plugin v0.9.0 // indirect
	github.com/planetscale/vtprotobuf v0.4.0 // indirect
	google.golang.org/protobuf v1.30.0 // indirect
)
