package notify

import (
	"context"
	"strings"
	"sync"

	"github.com/hbohlen/coppice/sdk"
)

func alertmanagerAction(h host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "alertmanager",
		Summary: "Raise an alert in Alertmanager, or resolve it",
		Description: "Posts to version 2 of Alertmanager's API. An alert fires until it is resolved with the same name and labels, or has expired; raising one that " +
			"fires keeps it, and resolving one that does not changes nothing. It is sent to all Alertmanagers at the same time, and is delivered when one has taken it.",
		Touches: []string{alertType},
	}, sdk.Writer[AlertmanagerInput, AlertmanagerOutput, sdk.None]{
		Plan: func(_ context.Context, _ *sdk.Call, in AlertmanagerInput) (sdk.Planned[AlertmanagerOutput, sdk.None], error) {
			return planAlert(in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in AlertmanagerInput, _ sdk.None) (AlertmanagerOutput, error) {
			a, err := alertOf(in)
			if err != nil {
				return AlertmanagerOutput{}, err
			}
			out, err := applyAlert(ctx, h, c, in, a)
			if out.Delivered {
				c.Done(0)
			}
			return AlertmanagerOutput{a.Labels, a.Annotations, out}, err
		},
	})
}

func applyAlert(ctx context.Context, h host, c *sdk.Call, in AlertmanagerInput, a alert) (DeliveryOutput, error) {
	places, err := alertmanagers(in)
	if err != nil {
		return DeliveryOutput{}, err
	}
	results := make([]DeliveryOutput, len(places))
	var all sync.WaitGroup
	for i, place := range places {
		all.Go(func() {
			results[i] = h.tryAll(ctx, c, in.Delivery, func(ctx context.Context) *problem {
				r, err := alertRequest(place, in, a, c.Instant, h.now().UTC())
				if err != nil {
					return &problem{text: err.Error()}
				}
				_, p := h.exchange(ctx, "Alertmanager at "+place.hostname, place.secrets, r)
				return p
			})
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return DeliveryOutput{}, err
	}
	var out DeliveryOutput
	var problems []string
	for _, r := range results {
		out.Attempts = max(out.Attempts, r.Attempts)
		out.Delivered = out.Delivered || r.Delivered
		if r.Problem != "" {
			problems = append(problems, r.Problem)
		}
	}
	if out.Problem = strings.Join(problems, "; "); out.Problem == "" {
		return out, nil
	}
	err = undelivered(c, in.Required && !out.Delivered, "/urls", out.Problem)
	if out.Delivered {
		c.Summarize("not delivered to all")
	}
	return out, err
}
