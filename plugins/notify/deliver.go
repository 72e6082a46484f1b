package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// deliver makes attempts. The error is that of ctx, or a failure where the delivery is required; anything else is told as a warning.
func (h host) deliver(ctx context.Context, c *sdk.Call, d Delivery, path string, try func(ctx context.Context) *problem) (DeliveryOutput, error) {
	out := h.tryAll(ctx, c, d, try)
	switch {
	case out.Delivered:
		return out, nil
	case ctx.Err() != nil:
		return out, ctx.Err()
	}
	return out, undelivered(c, d.Required, path, out.Problem)
}

// tryAll makes attempts until one succeeds, one is refused, the bounds are reached, or ctx ends.
func (h host) tryAll(ctx context.Context, c *sdk.Call, d Delivery, try func(ctx context.Context) *problem) DeliveryOutput {
	var out DeliveryOutput
	within, stop := context.WithTimeout(ctx, time.Duration(d.Within))
	defer stop()
	for pause := h.pause; ; pause *= 2 {
		out.Attempts++
		attempt, end := context.WithTimeout(within, time.Duration(d.Timeout))
		p := try(attempt)
		end()
		if p == nil {
			return DeliveryOutput{Delivered: true, Attempts: out.Attempts}
		}
		out.Problem = p.text
		if out.Attempts > 1 {
			out.Problem += fmt.Sprintf(" (%d attempts)", out.Attempts)
		}
		wait := max(pause, p.after)
		deadline, _ := within.Deadline()
		if !p.again || out.Attempts >= d.Attempts || time.Until(deadline) < wait {
			return out
		}
		c.Logf("debug", "%s; attempt %d of %d follows in %v", p.text, out.Attempts+1, d.Attempts, wait)
		select {
		case <-ctx.Done():
			return out
		case <-time.After(wait):
		}
	}
}

// undelivered tells that something was not delivered: an error if that was required, else a warning.
func undelivered(c *sdk.Call, required bool, path, problem string) error {
	if required {
		return &sdk.Error{Path: path, Summary: problem}
	}
	c.Warn(sdk.Diagnostic{Path: path, Summary: problem})
	c.Summarize("not delivered")
	return nil
}

// unusable makes of a wrong address what a delivery that fails is: an error if it was required, else a warning in the plan, which then has
// nothing to do. A secret that is gone or damaged in the night is no reason for the run to fail.
func unusable(required bool, err error) ([]sdk.Diagnostic, error) {
	if required {
		return nil, err
	}
	all := sdk.Diagnose(err)
	for i := range all {
		all[i].Severity = sdk.SeverityWarning
	}
	return all, nil
}

// told are the outputs of what was not delivered for such a reason.
func told(all []sdk.Diagnostic) DeliveryOutput {
	if len(all) == 0 {
		return DeliveryOutput{}
	}
	return DeliveryOutput{Problem: all[0].Summary}
}
