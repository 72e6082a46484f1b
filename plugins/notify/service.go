package notify

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/lark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/signal"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/wecom"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/zulip"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/bark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/join"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/generic"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/notifiarr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// kind is what there is to know of one of shoutrrr's services.
type kind struct {
	make   func() types.Service
	server string // the host that it talks to; "": the one in the URL. Elsewhere the "host" of a URL can be a token.
	title  bool   // it has a place for a title
}

// kinds are the services, by the scheme of their URLs: all of shoutrrr's but logger, which only prints, and teams: Microsoft has
// given up the web hooks that it is for, and it would cost each start of the program more than all others together.
var kinds = map[string]kind{
	"bark":       {func() types.Service { return &bark.Service{} }, "", true},
	"discord":    {func() types.Service { return &discord.Service{} }, "discord.com", true},
	"generic":    {func() types.Service { return &generic.Service{} }, "", true},
	"googlechat": {func() types.Service { return &googlechat.Service{} }, "", false},
	"gotify":     {func() types.Service { return &gotify.Service{} }, "", true},
	"hangouts":   {func() types.Service { return &googlechat.Service{} }, "", false},
	"ifttt":      {func() types.Service { return &ifttt.Service{} }, "maker.ifttt.com", true},
	"join":       {func() types.Service { return &join.Service{} }, "joinjoaomgcd.appspot.com", true},
	"lark":       {func() types.Service { return &lark.Service{} }, "", true},
	"matrix":     {func() types.Service { return &matrix.Service{} }, "", false},
	"mattermost": {func() types.Service { return &mattermost.Service{} }, "", false},
	"notifiarr":  {func() types.Service { return &notifiarr.Service{} }, "notifiarr.com", true},
	"ntfy":       {func() types.Service { return &ntfy.Service{} }, "", true},
	"opsgenie":   {func() types.Service { return &opsgenie.Service{} }, "", true},
	"pagerduty":  {func() types.Service { return &pagerduty.Service{} }, "", false},
	"pushbullet": {func() types.Service { return &pushbullet.Service{} }, "api.pushbullet.com", true},
	"pushover":   {func() types.Service { return &pushover.Service{} }, "api.pushover.net", true},
	"rocketchat": {func() types.Service { return &rocketchat.Service{} }, "", false},
	"signal":     {func() types.Service { return &signal.Service{} }, "", false},
	"slack":      {func() types.Service { return &slack.Service{} }, "slack.com", true},
	"smtp":       {func() types.Service { return &smtp.Service{} }, "", true},
	"telegram":   {func() types.Service { return &telegram.Service{} }, "api.telegram.org", true},
	"wecom":      {func() types.Service { return &wecom.Service{} }, "qyapi.weixin.qq.com", false},
	"zulip":      {func() types.Service { return &zulip.Service{} }, "", true},
}

// defaultHosts are those that need not stand in the URL.
var defaultHosts = map[string]string{"opsgenie": "api.opsgenie.com", "pagerduty": "events.pagerduty.com"}

// target is a service at a place.
type target struct {
	kind
	name    string // ntfy
	host    string // ntfy.sh, with the port if there is one
	url     *url.URL
	custom  bool // the URL is that of a web hook, as in generic+https
	secrets secrets
}

// String is "ntfy at ntfy.sh".
func (t target) String() string { return t.name + " at " + t.host }

// locate reads the URL of a service. It reaches nobody, and its errors tell no secret.
func locate(raw string) (target, error) {
	legal := "one of " + strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")
	scheme, _, found := strings.Cut(raw, "://")
	u, err := url.Parse(raw)
	if !found || err != nil {
		return target{}, fmt.Errorf("the URL can't be read: it is SERVICE://…, and SERVICE %s", legal)
	}
	name, _, custom := strings.Cut(strings.ToLower(scheme), "+")
	k, known := kinds[name]
	switch {
	case name == "http" || name == "https":
		return target{}, fmt.Errorf("%s:// is no service: for a web hook write generic+%s://…", name, name)
	case !known:
		return target{}, fmt.Errorf("there is no service %q: it is %s", secrets{}.clean(name), legal)
	}
	t := target{kind: k, name: name, host: k.server, url: u, custom: custom}
	if t.host == "" {
		t.host = u.Host
	}
	if t.host == "" {
		t.host = defaultHosts[name]
	}
	if name == "generic" && u.Query().Get("template") == "" {
		t.title = false // the body is the message and nothing else
	}
	t.secrets = secretsOf([]string{raw}, t.host, u.Scheme)
	if t.server == "" {
		t.secrets = secretsOf([]string{raw}, t.host, u.Scheme, u.Hostname())
	}
	if t.host == "" {
		return target{}, fmt.Errorf("the URL of the service %s names no host", name)
	}
	if name == "matrix" { // logs in when it is made
		return t, nil
	}
	if _, err := t.open(); err != nil {
		return target{}, fmt.Errorf("the URL of the service %s can't be used: %s", name, t.secrets.clean(err.Error()))
	}
	return t, nil
}

// open makes the service. Only matrix reaches somebody for that.
func (t target) open() (types.Service, error) {
	service, u := t.make(), *t.url
	if t.custom {
		custom, can := service.(types.CustomURLService)
		if !can {
			return nil, fmt.Errorf("%s takes no URL of a web hook", t.name)
		}
		converted, err := custom.GetConfigURLFromCustom(&u)
		if err != nil {
			return nil, err
		}
		u = *converted
	}
	if err := service.Initialize(&u, nil); err != nil {
		return nil, err
	}
	guard(service)
	return service, nil
}
