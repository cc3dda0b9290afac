module github.com/iansmith/parigot/bench

go 1.26.0

replace github.com/iansmith/parigot => ..

tool (
	connectrpc.com/connect/cmd/protoc-gen-connect-go
	github.com/iansmith/parigot/cmd/protoc-gen-parigot
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
)

require github.com/iansmith/parigot v0.0.0 // indirect

require (
	github.com/stretchr/testify v1.12.1
	google.golang.org/protobuf v1.36.12
)

require (
	connectrpc.com/connect v1.21.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2 // indirect
)
