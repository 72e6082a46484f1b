package protocol

// Needs Debian's protobuf-compiler; the two Go generators come with the module.
//go:generate sh -c "go build -o ../../.bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc && PATH=../../.bin:$PATH protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto"
