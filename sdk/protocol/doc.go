// Package protocol carries the plugin contract over go-plugin's gRPC: both
// halves of each message stand here side by side, so that a field is encoded
// and decoded in one place.
//
// It never starts a process; the runner's host and package serve do.
package protocol

import (
	goplugin "github.com/hashicorp/go-plugin"
)

// Handshake tells a plugin that it was started by a runner and not by hand.
var Handshake = goplugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "COPPICE_PLUGIN",
	MagicCookieValue: "4a0e3b7c-coppice-plugin-v1",
}

// Service is the name under which the plugin is dispensed.
const Service = "plugin"

// MaxMessage is the largest message in bytes, either way. Larger data goes by
// file, not by message. gRPC's own default is 4 MiB.
const MaxMessage = 64 << 20

// Window is how many bytes of messages may be on the way before the other side has to say that it has read some. gRPC's own
// default is 64 KiB, more of it only after a while of measuring a network that is not there.
const Window = 1 << 20
