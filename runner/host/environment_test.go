package host

import (
	"slices"
	"strings"
	"testing"
)

// What the service manager means for us alone does not reach a plugin; everything else does.
func TestEnvironment(t *testing.T) {
	for _, name := range ours {
		t.Setenv(name, "for us")
	}
	t.Setenv("PLUGIN_UNIX_SOCKET_DIR", "/of/somebody/else")
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x.service")
	t.Setenv("NOTIFY_SOCKET_X", "another variable")
	env := environment("/sockets")
	for _, v := range env {
		if strings.HasSuffix(v, "=for us") || v == "PLUGIN_UNIX_SOCKET_DIR=/of/somebody/else" {
			t.Errorf("a plugin gets %s", v)
		}
	}
	for _, want := range []string{"PLUGIN_UNIX_SOCKET_DIR=/sockets", "CREDENTIALS_DIRECTORY=/run/credentials/x.service", "NOTIFY_SOCKET_X=another variable"} {
		if !slices.Contains(env, want) {
			t.Errorf("a plugin does not get %s", want)
		}
	}
}
