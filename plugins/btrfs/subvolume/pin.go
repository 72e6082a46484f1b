package subvolume

import (
	"context"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func pinAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "pin",
		Summary: "Keep snapshots whatever the rules say",
		Description: "Pins subvolumes, snapshots mostly: btrfs.prune and btrfs.delete leave a pinned one alone, until the pin is taken away " +
			"or has ended. The pin is a file in .coppice/holds on the filesystem, named by the UUID, so that it holds for every coppice that " +
			"ever uses this filesystem, and whatever the subvolume is renamed to. Somebody who pins again changes the reason and the end of his own pin.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[PinInput, PinOutput, pinPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in PinInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in PinInput) (sdk.Planned[PinOutput, pinPrivate], error) {
			hold := volume.Hold{Reason: in.Reason, Who: in.Who, Until: in.Until}
			if !hold.Until.IsZero() && !hold.Until.After(c.Instant) {
				return pinPlan{}, sdk.InvalidInput("/until", "%s is over already", volume.Moment(hold.Until))
			}
			m, err := observePins(ctx, h, c, in.Target, in.Subvolumes)
			if err != nil {
				return pinPlan{}, err
			}
			return planPin(m, in.Subvolumes, c.Instant, &hold, in.Who)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in PinInput, private pinPrivate) (PinOutput, error) {
			return applyPin(ctx, h, c, in.Target, private)
		},
	})
}

func unpinAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "unpin",
		Summary: "Take the pins of btrfs.pin away",
		Description: "Takes the pins away that one holder has on subvolumes. Those of others stay, with a warning: a backup that still needs a " +
			"snapshot takes its own pin away itself. Of a subvolume that does not exist any more, named by its UUID, the pins that it has left behind " +
			"are taken away in the same way.",
		Converges: true,
		Touches:   []string{volume.ResourceType},
	}, sdk.Writer[UnpinInput, PinOutput, pinPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in UnpinInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in UnpinInput) (sdk.Planned[PinOutput, pinPrivate], error) {
			m, err := observePins(ctx, h, c, in.Target, in.Subvolumes)
			if err != nil {
				return pinPlan{}, err
			}
			return planPin(m, in.Subvolumes, c.Instant, nil, in.Who)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in UnpinInput, private pinPrivate) (PinOutput, error) {
			return applyPin(ctx, h, c, in.Target, private)
		},
	})
}

// observePins reads the machine, and which of the named subvolumes have a file of holds.
func observePins(ctx context.Context, h volume.Host, c *sdk.Call, t volume.Target, given []string) (*machine, error) {
	f, err := volume.Open(ctx, t)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := observe(ctx, h, f, look{catalogue: true, guards: true, planning: true, prior: c.Prior, virtual: c.Virtual})
	if err != nil {
		return nil, err
	}
	for i, g := range given {
		w := parseWanted(volume.At("subvolumes", i), g)
		if w.bad != nil {
			continue
		}
		id := w.id
		if w.path != "" {
			m.observeThings(f, w.path)
			s, _ := m.at(w.path)
			id = s.UUID
		}
		if id != (kernel.UUID{}) {
			m.observeThings(f, holdPath(id))
		}
	}
	return m, nil
}

func holdPath(id kernel.UUID) string { return volume.HoldsFolder + "/" + id.String() }
