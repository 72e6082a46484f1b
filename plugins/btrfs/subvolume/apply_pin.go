package subvolume

import (
	"context"
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func applyPin(ctx context.Context, h volume.Host, c *sdk.Call, t volume.Target, private pinPrivate) (PinOutput, error) {
	out := private.Output
	if len(private.Items) == 0 {
		return out, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, t, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	problem, err := volume.CheckState(f)
	if err = errors.Join(problem, err); err != nil {
		return out, volume.Explain("", err)
	}
	fresh, err := volume.MakeState(f)
	if err == nil && fresh {
		err = f.Sync() // the folder must be there before what is in it
	}
	if err != nil {
		return out, volume.Explain("", err)
	}
	var errs []error
	for i, item := range private.Items {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		changed, err := applyPinItem(f, item)
		switch {
		case err != nil:
			errs = append(errs, volume.Explain("", err))
		case changed:
			c.Done(i)
		}
	}
	return out, errors.Join(errs...)
}

func applyPinItem(f *kernel.Filesystem, item pinItem) (changed bool, err error) {
	if item.Hold != nil {
		if _, err := f.ByUUID(item.UUID); errors.Is(err, kernel.ErrNotFound) {
			return false, volume.Drifted("cannot pin %q: it does not exist any more", item.Path)
		} else if err != nil {
			return false, err
		}
	}
	all, err := volume.ReadHoldsOf(f, item.UUID)
	if err != nil {
		return false, volume.Drifted("the pins of %q can't be read any more: %v", item.Path, err)
	}
	own, has := all.Of(item.Who)
	switch {
	case item.Hold == nil && !has:
		return false, nil
	case item.Hold == nil:
		return true, volume.WriteHolds(f, item.UUID, all.Without(item.Who))
	case has && own.Reason == item.Hold.Reason && own.Until.Equal(item.Hold.Until):
		return false, nil
	}
	return true, volume.WriteHolds(f, item.UUID, all.With(*item.Hold))
}
