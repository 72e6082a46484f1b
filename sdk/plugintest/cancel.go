package plugintest

import (
	"context"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// cancelling asks a running Apply to stop.
func (t *trial) cancelling(ctx context.Context) {
	if _, ok := t.prepare(ctx); !ok {
		return
	}
	plan, ok := t.ask(ctx, theCase, t.instant, nil)
	if !ok {
		return
	}
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	r := t.request(t.Action, t.inputs, t.instant, nil)
	client := t.session.client
	events := make(chan struct{}, 1)
	type reply struct {
		result *sdk.Result
		err    error
	}
	replies := make(chan reply, 1)
	var heard []sdk.Event
	go func() {
		result, err := client.Apply(ctx, r, plan, func(e sdk.Event) {
			heard = append(heard, e)
			select {
			case events <- struct{}{}:
			default:
			}
		})
		replies <- reply{result, err}
	}()
	// Where it works for long, it is stopped in the middle of it.
	var got *reply
	if t.Long {
		const look = 2 * time.Second
		select {
		case <-events:
		case <-time.After(look):
		case early := <-replies:
			got = &early
		}
	}
	if err := client.Cancel(ctx, r.ID); err != nil {
		t.find(cancel, "Cancel: "+err.Error())
	}
	if got == nil {
		select {
		case late := <-replies:
			got = &late
		case <-time.After(t.o.Grace):
			t.find(cancel, fmt.Sprintf("Apply goes on %s after it was asked to stop", t.o.Grace))
			cut()
			<-replies
			if err := t.restart(); err != nil {
				t.find(cancel, err.Error())
			}
			return
		}
	}
	for _, e := range heard {
		t.heard(e)
	}
	if got.err != nil {
		if a := answered(t.kit, (*sdk.Result)(nil), got.err); a.broken != nil {
			t.find(cancel, "Apply ended without its result: "+a.broken.Error())
			return
		}
		got.result = &sdk.Result{}
	}
	t.heard(got.result)
	t.find(cancel, t.stopped(got.result))
	// The end of a call is no end of the plugin.
	if err := client.Cancel(ctx, "no such call"); err != nil {
		t.find(cancel, "Cancel of a call that does not run: "+err.Error())
	}
}

// stopped says what is wrong with the result of a cancelled Apply.
func (t *trial) stopped(r *sdk.Result) string {
	failed := sdk.HasErrors(r.Diagnostics)
	for _, d := range r.Diagnostics {
		if d.Reason == sdk.Cancelled {
			return ""
		}
	}
	switch {
	case failed:
		return "the result has errors, and none with the reason cancelled: " + told(r.Diagnostics)
	case t.Long:
		return "Apply ended as if it had not been asked to stop"
	}
	return "" // it was quicker
}
