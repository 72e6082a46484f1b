// Bare is a plugin that does nothing, with nothing of ours in it: what a process costs that speaks go-plugin's gRPC at all.
// The bench starts it beside a built-in plugin.
package main

import (
	"context"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

func main() {
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: goplugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BARE_PLUGIN", MagicCookieValue: "1"},
		Plugins:         goplugin.PluginSet{"nothing": nothing{}},
		GRPCServer:      goplugin.DefaultGRPCServer,
	})
}

// nothing is a plugin without a service.
type nothing struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (nothing) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }

func (nothing) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}
