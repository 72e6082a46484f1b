package recovery

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// replacer is who holds the pin on a replaced subvolume.
const replacer = "btrfs.replace"

// cut is called between the points of a replacement, with the name of the one that is reached. Tests end the process there.
var cut = func(point string) {}

// replacement replaces one subvolume.
type replacement struct {
	c       *sdk.Call
	f       *kernel.Filesystem
	private replacePrivate
	copy    kernel.Subvolume
}

func applyReplace(ctx context.Context, h volume.Host, c *sdk.Call, in ReplaceInput, private replacePrivate) (ReplaceOutput, error) {
	var out ReplaceOutput
	if err := c.PlannedOutputs(&out); err != nil || private.Nothing {
		return out, err
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	r := &replacement{c: c, f: f, private: private}
	done, err := r.asPlanned()
	if err == nil && !done {
		err = r.run(ctx)
	}
	if err != nil {
		return out, volume.Explain("", err)
	}
	out.UUID = sdk.UUID(r.copy.UUID.String())
	if !done {
		c.Done(0)
		c.Done(1)
	}
	return out, nil
}

// asPlanned makes sure that each subvolume is where the plan saw it; done: all is exchanged already.
func (r *replacement) asPlanned() (done bool, err error) {
	p := r.private.Record
	problem, err := volume.CheckState(r.f)
	if err = errors.Join(problem, err); err != nil {
		return false, err
	}
	there, found, err := r.f.AtPath(p.Path)
	if err != nil {
		return false, err
	}
	archived, isArchived, err := r.f.AtPath(p.Archived)
	switch {
	case err != nil && !errors.Is(err, kernel.ErrNotFound):
		return false, err
	case !found:
		return false, volume.Drifted("there is no subvolume %q any more", p.Path)
	case isArchived && archived.UUID == p.Old && there.ParentUUID == r.private.From:
		r.copy = there
		return true, nil
	case there.UUID != p.Old:
		return false, volume.Drifted("%q is another subvolume now, with UUID %v", p.Path, there.UUID)
	case isArchived && r.private.Staged.IsZero(): // a first attempt of this plan, cut off
		if archived.ParentUUID != r.private.From || archived.ReadOnly {
			return false, volume.Drifted("%q exists now", p.Archived)
		}
		r.copy = archived
	case !r.private.Staged.IsZero():
		if !isArchived || archived.UUID != r.private.Staged {
			return false, volume.Drifted("the copy %q that an earlier run has made is not there any more", p.Archived)
		}
		r.copy = archived
	}
	return false, nil
}

// run goes from point to point, each of which is on disk before the next.
func (r *replacement) run(ctx context.Context) error {
	p := r.private.Record
	cut("start")
	if _, err := volume.MakeState(r.f); err != nil {
		return err
	}
	for _, folder := range []string{replacedFolder, path.Dir(p.Archived)} {
		if _, err := r.f.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := r.f.Sync(); err != nil { // the folders must be there before what is in them
		return err
	}
	cut("folders")
	if r.private.Staged.IsZero() {
		if err := p.write(r.f, r.private.Stamp); err != nil {
			return err
		}
	}
	cut("record")
	if err := r.pin(true); err != nil {
		return err
	}
	cut("pin")
	if err := r.exchange(ctx); err != nil {
		if unpinErr := r.pin(false); unpinErr != nil { // it stays where it is, and is no archive
			r.c.Logf("warn", "the pin on %q could not be taken away again: %v", p.Path, unpinErr)
		}
		return err
	}
	if err := r.f.Sync(); err != nil {
		return volume.Refuse("", "%q was replaced, but the old one may be back after a power cut: %v", p.Path, err)
	}
	cut("synced")
	return nil
}

// exchange makes the copy, if there is none, and exchanges it for the old one. After an error the old one is in its place.
func (r *replacement) exchange(ctx context.Context) error {
	p := r.private.Record
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.copy.UUID.IsZero() {
		made, err := r.f.Snapshot(kernel.SnapshotSpec{SourceUUID: r.private.From, DestDir: path.Dir(p.Archived), Name: path.Base(p.Archived)})
		if err != nil {
			return fmt.Errorf("cannot copy %q: %w", r.private.FromPath, err)
		}
		r.copy = made
	}
	cut("copy")
	if err := r.f.Sync(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // the copy stays, for the next run
		return err
	}
	cut("ready")
	if err := r.f.Exchange(kernel.Place{Path: p.Path, UUID: p.Old}, kernel.Place{Path: p.Archived, UUID: r.copy.UUID}); err != nil {
		return err
	}
	cut("exchanged")
	return nil
}

// pin writes the pin of the old one, or takes it away.
func (r *replacement) pin(on bool) error {
	p := r.private.Record
	all, err := volume.ReadHoldsOf(r.f, p.Old)
	if err != nil {
		return volume.Refuse("repair the file or, if it holds nothing back, remove it", "the pins of %q can't be read: %v", p.Path, err)
	}
	if on {
		all = all.With(volume.Hold{Who: replacer, Reason: fmt.Sprintf("%s until %s, replaced by a copy of %s", p.Path, volume.Moment(p.At), r.private.FromPath)})
	} else {
		all = all.Without(replacer)
	}
	return volume.WriteHolds(r.f, p.Old, all)
}
