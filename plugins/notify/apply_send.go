package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/hbohlen/coppice/sdk"
)

func sendAction(h host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "send",
		Summary: "Send a message",
		Description: "Sends a message through a service: bark, discord, generic (any web hook), googlechat, gotify, ifttt, join, lark, matrix, mattermost, " +
			"notifiarr, ntfy, opsgenie, pagerduty, pushbullet, pushover, rocketchat, signal, slack, smtp (mail), telegram, wecom, zulip. What their " +
			"URLs look like: https://shoutrrr.nickfedor.com. The URL comes from a secret input; what is shown of it is the service and the host.\n\n" +
			"When the message can't be delivered that is a warning, unless it is required. An attempt that is given up may still arrive.",
		Touches: []string{messageType},
	}, sdk.Writer[SendInput, SendOutput, sdk.None]{
		Plan: func(_ context.Context, _ *sdk.Call, in SendInput) (sdk.Planned[SendOutput, sdk.None], error) {
			return planSend(in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in SendInput, _ sdk.None) (SendOutput, error) {
			t, err := locate(in.URL)
			if err != nil {
				return SendOutput{}, sdk.InvalidInput("/url", "%v", err)
			}
			out, err := h.deliver(ctx, c, in.Delivery, "/url", func(ctx context.Context) *problem { return t.send(ctx, in) })
			if out.Delivered {
				c.Done(0)
			}
			return SendOutput{text(in, true), out}, err
		},
	})
}

// grace is how long is waited for a service to notice that its attempt is over.
const grace = 200 * time.Millisecond

// send makes one attempt.
func (t target) send(ctx context.Context, in SendInput) *problem {
	select {
	case sending <- struct{}{}:
	case <-ctx.Done():
		return &problem{text: t.String() + ": another message took too long", again: true}
	}
	standInFor()
	x := &exchange{ctx: ctx}
	current.Store(x)
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("the library for it gave up: %v", p)
			}
		}()
		result <- t.hand(in)
	}()
	defer func() {
		current.CompareAndSwap(x, nil)
		<-sending
	}()
	select {
	case err := <-result:
		return x.judge(t.String(), err, t.secrets)
	case <-ctx.Done(): // its requests end with it; mail can't be stopped
		select {
		case <-result:
		case <-time.After(grace):
		}
		return x.judge(t.String(), ctx.Err(), t.secrets)
	}
}

// hand gives the message to the service.
func (t target) hand(in SendInput) error {
	service, err := t.open()
	if err != nil {
		return err
	}
	params := types.Params{}
	if t.title && in.Title != "" {
		params.SetTitle(in.Title)
	}
	return service.Send(text(in, t.title), &params)
}
