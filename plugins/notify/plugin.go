// Package notify is the notify plugin: it tells somebody, or some other program, about a run. It sends messages through services
// (mail, ntfy, Slack, …), raises and resolves alerts in Alertmanager, writes metrics for node_exporter's textfile collector, and
// pings a dead man's switch.
//
// A notification that can't be delivered is a warning and nothing else, unless the input required says that it is a failure. It is
// tried again within bounds, and never for longer than the input within says. A redirect is not followed: what is sent goes to the
// host that was named or nowhere.
//
// The plugin shows no secret, in part or whole: what it says of a URL with a token in it is the service and the host. Errors of the
// network are told in words of its own; a text that comes from elsewhere is told without anything that stands in the URL.
//
// Words:
//
//   - Service: who takes a message. A URL as shoutrrr (github.com/nicholas-fedor/shoutrrr) writes it names the service and how it is reached.
//   - Attempt: one try to deliver. A notification has a few, with pauses that double.
//   - Refused: the other side has answered, and will answer the same again. There is no further attempt.
package notify

import (
	"net/http"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// Version of the plugin.
const Version = "0.1.0"

// host is what the actions need of the world around them.
type host struct {
	now       func() time.Time
	pause     time.Duration     // before the second attempt
	transport http.RoundTripper // of pings and alerts; nil: the usual
}

// New returns the plugin.
func New() *sdk.Plugin { return plugin(host{now: time.Now, pause: time.Second}) }

func plugin(h host) *sdk.Plugin {
	return &sdk.Plugin{
		Name:    "notify",
		Version: Version,
		Summary: "messages, alerts, metrics and pings about a run",
		Actions: []sdk.Action{sendAction(h), alertmanagerAction(h), pingAction(h), metricsAction(h)},
	}
}
