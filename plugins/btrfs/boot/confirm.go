package boot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// confirmPrivate is what Apply does.
type confirmPrivate struct {
	Filesystem string
	Root       kernel.UUID
	Boot       string
	Nothing    bool
}

type confirmFacts struct {
	Filesystem string `json:"filesystem"`
	Root       string `json:"root"`
	Boot       string `json:"boot"`
}

func confirmAction(m machine) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "boot_confirm",
		Summary: "Confirm that this boot went well",
		Description: "Writes down that the machine has come up well from its root, which makes that the last confirmed root: it stays when it is archived, and comes back " +
			"if later boots fail. Boots that were not confirmed are counted anew; a rollback that was off until a boot is confirmed is on again; and what a rollback that was cut " +
			"off has left is accepted as it is. When the system does not run from the root that is named, it is refused.",
		Converges: true,
		Touches:   []string{recordType},
	}, sdk.Writer[ConfirmInput, ConfirmOutput, confirmPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in ConfirmInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, volume.Target{Filesystem: in.Filesystem})
		},
		Plan: func(ctx context.Context, c *sdk.Call, in ConfirmInput) (sdk.Planned[ConfirmOutput, confirmPrivate], error) {
			return planConfirm(ctx, m, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in ConfirmInput, private confirmPrivate) (ConfirmOutput, error) {
			return applyConfirm(ctx, m, c, in, private)
		},
	})
}

// running finds the root that is to be confirmed.
func (m machine) running(f *kernel.Filesystem, root string) (presence, error) {
	o := observer{f: f}
	p := o.at(root)
	if o.err != nil {
		return p, o.err
	}
	if !p.subvolume() {
		return p, volume.Invalid("/root", "name the subvolume that is mounted as the root", "there is no subvolume %q", root)
	}
	at, _, err := f.SubvolumeAt(m.root)
	if err == nil && at.UUID != p.UUID { // another filesystem is not this one's business
		return p, volume.Refuse("reboot, and confirm then", "the system does not run from %q but from %q", root, at.Path)
	}
	return p, nil
}

func planConfirm(ctx context.Context, m machine, in ConfirmInput) (sdk.Planned[ConfirmOutput, confirmPrivate], error) {
	planned := sdk.Planned[ConfirmOutput, confirmPrivate]{}
	root, bad := volume.CleanFolder("/root", in.Root)
	if bad != nil {
		return planned, bad
	}
	now, err := m.circumstances()
	if err != nil {
		return planned, err
	}
	f, s, err := openShelf(ctx, in.Filesystem)
	if err != nil {
		return planned, err
	}
	defer f.Close()
	at, err := m.running(f, root)
	if err != nil {
		return planned, volume.Explain("/root", err)
	}
	id := f.UUID().String()
	planned.Outputs = ConfirmOutput{Boot: now.Boot, UUID: sdk.UUID(at.UUID.String())}
	planned.Private = confirmPrivate{Filesystem: id, Root: at.UUID, Boot: now.Boot}
	planned.Facts = confirmFacts{Filesystem: id, Root: at.UUID.String(), Boot: now.Boot}
	resource := sdk.Resource{Type: recordType, Scope: id, Name: "boot " + now.Boot[:minBoot]}
	if s.State.isConfirmed(now.Boot, at.UUID) {
		planned.Private.Nothing = true
		planned.Kept = []sdk.Kept{{Resource: resource, Reason: "it is confirmed already, since " + volume.Moment(s.State.Confirmed.At)}}
		return planned, nil
	}
	summary := fmt.Sprintf("confirmed, with the root %s", at.UUID)
	if s.State.Off != nil && s.State.Off.Confirm {
		summary += "; the next boot rolls back again"
	}
	planned.Changes = []sdk.Change{{Kind: sdk.Update, Resource: resource, Summary: summary}}
	return planned, nil
}

// isConfirmed reports whether there is nothing to do.
func (s state) isConfirmed(boot string, root kernel.UUID) bool {
	return s.Confirmed != nil && s.Confirmed.Boot == boot && s.Confirmed.Root == root && s.Unconfirmed == 0 && s.Intent == nil && (s.Off == nil || !s.Off.Confirm)
}

// confirm is the state after a boot went well.
func (s state) confirm(boot string, at time.Time, root kernel.UUID) state {
	s.Confirmed, s.Unconfirmed = &confirmed{Boot: boot, At: at.UTC(), Root: root}, 0
	if s.Off != nil && s.Off.Confirm {
		s.Off = nil
	}
	return s
}

func applyConfirm(ctx context.Context, m machine, c *sdk.Call, in ConfirmInput, private confirmPrivate) (ConfirmOutput, error) {
	var out ConfirmOutput
	if err := c.PlannedOutputs(&out); err != nil || private.Nothing {
		return out, err
	}
	f, release, err := volume.OpenLocked(ctx, m.Host, volume.Target{Filesystem: in.Filesystem}, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	root, _ := volume.CleanFolder("/root", in.Root)
	at, err := m.running(f, root)
	if err != nil {
		return out, volume.Explain("/root", err)
	}
	now, err := m.circumstances()
	if err != nil {
		return out, err
	}
	if at.UUID != private.Root || now.Boot != private.Boot {
		return out, volume.Drifted("the root is another one now")
	}
	err = changeState(f, func(s state) (state, error) { return s.confirm(now.Boot, c.Instant, at.UUID), nil })
	if err != nil {
		return out, volume.Explain("", err)
	}
	c.Done(0)
	return out, nil
}

// changeState changes the state, durably, and settles an intent that was not finished first. The caller holds the lock on names.
func changeState(f *kernel.Filesystem, change func(state) (state, error)) error {
	problem, err := volume.CheckState(f)
	if err = errors.Join(problem, err); err != nil {
		return err
	}
	s, err := readState(f)
	if err != nil {
		return err
	}
	if _, err := volume.MakeState(f); err != nil {
		return err
	}
	if _, err := f.MkdirAll(archivesFolder, 0o700); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if s.Intent != nil {
		o := observer{f: f}
		var all []seen
		for _, p := range s.Intent.Places {
			all = append(all, seen{At: o.at(p.Place), Stage: o.stage(p.Archive)})
		}
		if o.err != nil {
			return o.err
		}
		var found []recovered
		s, found = recoverIntent(s, all)
		for _, r := range found {
			if r.Abandon != nil {
				if err := r.Abandon.write(f); err != nil {
					return err
				}
			}
		}
	}
	if s, err = change(s); err != nil {
		return err
	}
	return s.write(f)
}
