package layout

import (
	"context"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// askAgain is how often the kernel is asked whether it is still counting.
const askAgain = 100 * time.Millisecond

func applyQuota(ctx context.Context, c *sdk.Call, in QuotaInput, private quotaPrivate) (QuotaOutput, error) {
	out := private.Output
	if !private.Switch && !private.Count {
		return out, nil
	}
	f, err := volume.OpenPlanned(ctx, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer f.Close()
	now, err := f.Quota()
	if err != nil {
		return out, volume.Explain("", err)
	}
	out.Mode = string(now.Mode)
	if now.Mode != private.From && now.Mode != private.To {
		return out, volume.Drifted("quotas are %s now, and were %s", now.Mode, private.From)
	}
	if now.Mode != private.To {
		if out.Mode, err = switchQuotas(f, private.To); err != nil {
			return out, volume.Explain("/mode", err)
		}
	} else {
		busy := false
		if private.Count {
			if busy, err = f.Rescanning(); err != nil {
				return out, volume.Explain("", err)
			}
		}
		switch {
		case busy: // somebody else, or this plan, has begun it
		case !now.Inconsistent:
			return out, nil // this plan has been applied
		default:
			if err := f.Rescan(); err != nil {
				return out, volume.Explain("", err)
			}
		}
	}
	if private.Count {
		if err := waitCounted(ctx, c, f); err != nil {
			return out, err
		}
	}
	c.Done(0)
	return out, nil
}

// switchQuotas sets the mode, durably, and reads it back: the kernel also says nothing when it does nothing.
func switchQuotas(f *kernel.Filesystem, to kernel.QuotaMode) (mode string, err error) {
	if to == kernel.QuotaOff {
		err = f.DisableQuota()
	} else {
		err = f.EnableQuota(to)
	}
	if err == nil {
		err = f.Sync()
	}
	now, readErr := f.Quota()
	if err == nil {
		err = readErr
	}
	if err == nil && now.Mode != to {
		err = volume.Refuse("somebody else has switched them meanwhile: look at btrfs.quota_usage", "quotas are %s, and were to be %s", now.Mode, to)
	}
	return string(now.Mode), err
}

// waitCounted waits until the kernel has counted all data, and makes the result durable.
func waitCounted(ctx context.Context, c *sdk.Call, f *kernel.Filesystem) error {
	for {
		busy, err := f.Rescanning()
		if err != nil {
			return volume.Explain("", err)
		}
		if !busy {
			return volume.Explain("", f.Sync())
		}
		c.Progress(sdk.Progress{Message: "counting all data"})
		select {
		case <-ctx.Done():
			return ctx.Err() // the kernel goes on by itself
		case <-time.After(askAgain):
		}
	}
}
