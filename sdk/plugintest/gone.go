package plugintest

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// gone is the connection to a plugin that is no more.
type gone struct{}

var errGone = status.Error(codes.Unavailable, "the plugin does not start any more")

func (gone) Invoke(context.Context, string, any, any, ...grpc.CallOption) error { return errGone }

func (gone) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errGone
}
