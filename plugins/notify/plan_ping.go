package notify

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

const (
	pingType = "notify.ping"
	mostPing = 10_000 // bytes of a body
)

func planPing(in PingInput) (sdk.Planned[DeliveryOutput, sdk.None], error) {
	var p sdk.Planned[DeliveryOutput, sdk.None]
	a, err := parseAddress(in.URL)
	if err != nil {
		p.Diagnostics, err = unusable(in.Required, sdk.InvalidInput("/url", "%v", err))
		p.Outputs = told(p.Diagnostics)
		return p, err
	}
	if in.Protocol == "plain" && in.State != "success" {
		p.Summary = "a plain ping is for success only"
		return p, nil
	}
	after, err := json.Marshal(map[string]string{"state": in.State, "body": cutBytes(in.Body, mostPing)})
	if err != nil {
		return p, err
	}
	p.Unknown = deliveryUnknown
	p.Changes = []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: pingType, Name: a.hostname}, Summary: "ping with " + in.State, After: after}}
	return p, nil
}

// pingRequest is what is sent.
func pingRequest(a address, in PingInput) request {
	u := *a.url
	if in.Protocol == "plain" {
		return request{method: "GET", url: &u, user: a.user}
	}
	if in.State != "success" {
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/"+in.State, joinRaw(u.RawPath, in.State)
	}
	return request{method: "POST", url: &u, user: a.user, contentType: "text/plain; charset=utf-8", body: cutBytes(in.Body, mostPing)}
}

func joinRaw(raw, last string) string {
	if raw == "" {
		return ""
	}
	return strings.TrimSuffix(raw, "/") + "/" + url.PathEscape(last)
}

func pingAction(h host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "ping",
		Summary: "Ping a dead man's switch",
		Description: "Tells a service such as healthchecks.io that a run has started, has succeeded or has failed. The service raises the alarm when it hears " +
			"nothing for too long, which no machine that is down can do itself.",
		Touches: []string{pingType},
	}, sdk.Writer[PingInput, DeliveryOutput, sdk.None]{
		Plan: func(_ context.Context, _ *sdk.Call, in PingInput) (sdk.Planned[DeliveryOutput, sdk.None], error) {
			return planPing(in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in PingInput, _ sdk.None) (DeliveryOutput, error) {
			a, err := parseAddress(in.URL)
			if err != nil {
				return DeliveryOutput{}, sdk.InvalidInput("/url", "%v", err)
			}
			out, err := h.deliver(ctx, c, in.Delivery, "/url", func(ctx context.Context) *problem {
				answer, p := h.exchange(ctx, a.hostname, a.secrets, pingRequest(a, in))
				// healthchecks.io takes every ping, and says whether it knows the check.
				if p == nil && strings.Contains(answer, "(not found)") {
					p = &problem{text: a.hostname + " knows no check of that address"}
				}
				return p
			})
			if out.Delivered {
				c.Done(0)
			}
			return out, err
		},
	})
}
