package layout

import (
	"context"
	"errors"
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// felling deletes trees, under the lock on names.
type felling struct {
	h       volume.Host
	c       *sdk.Call
	f       *kernel.Filesystem
	private deleteTreePrivate
	going   map[kernel.UUID]bool

	watch *volume.Watch
	view  *subvolume.View
	guard guard

	opened map[kernel.UUID]opening // those that were made writable and have not gone yet
	gone   map[kernel.UUID]bool
}

// opening is what has made one writable.
type opening struct {
	operation int
	path      string // a plan has no bytes that are not UTF-8, a filesystem may
}

func applyDeleteTree(ctx context.Context, h volume.Host, c *sdk.Call, in DeleteTreeInput, private deleteTreePrivate) (DeleteTreeOutput, error) {
	out := DeleteTreeOutput{Deleted: []DeletedSubvolume{}}
	if len(private.Operations) == 0 {
		return out, nil
	}
	var planned DeleteTreeOutput
	if err := c.PlannedOutputs(&planned); err != nil {
		return out, err
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	d := &felling{h: h, c: c, f: f, private: private, watch: volume.NewWatch(h, f),
		going: map[kernel.UUID]bool{}, opened: map[kernel.UUID]opening{}, gone: map[kernel.UUID]bool{}}
	defer d.watch.Close()
	for _, o := range private.Operations {
		d.going[o.UUID] = true
	}
	err = d.run(ctx)
	for _, o := range private.Operations {
		if !o.Open && d.gone[o.UUID] {
			out.Deleted = append(out.Deleted, planned.Deleted[o.Output])
		}
	}
	return out, err
}

// run does one operation after the other and ends with the first that fails: what holds the inner one holds the outer one.
func (d *felling) run(ctx context.Context) error {
	if err := d.look(ctx); err != nil {
		return err
	}
	var failed error
	for i, o := range d.private.Operations {
		if failed = ctx.Err(); failed != nil {
			break
		}
		if failed = d.one(ctx, i, o); failed != nil {
			break
		}
		d.c.Progress(sdk.Progress{Current: int64(i + 1), Total: int64(len(d.private.Operations)), Unit: "subvolumes"})
	}
	return errors.Join(failed, d.close(), d.finish())
}

// look looks at the machine, and says why nothing may be deleted any more.
func (d *felling) look(ctx context.Context) error {
	v, err := subvolume.Observe(ctx, d.h, d.f, subvolume.Look{Catalogue: true, Guards: true})
	if err != nil {
		return err
	}
	d.watch.Looked()
	d.view = v
	if err := v.Writable("nothing can be deleted"); err != nil {
		return err
	}
	if err := v.MayDelete(); err != nil {
		return err
	}
	if held := v.Held(); held != "" {
		return volume.Drifted("nothing more is deleted: %s", held)
	}
	swaps, err := d.f.SwapFiles()
	if err != nil {
		return volume.Explain("", err)
	}
	d.guard = guard{v: v, swaps: swaps, instant: d.c.Instant}
	for _, s := range v.All() {
		if d.going[s.UUID] {
			d.guard.going = append(d.guard.going, s)
		}
	}
	for _, source := range v.Last(d.guard.going, d.c.Instant) {
		return volume.Drifted("nothing more is deleted: no valid snapshot of %q would be left", source)
	}
	return nil
}

// one does one operation, if its subvolume is still what the plan saw. What is gone already is no error.
func (d *felling) one(ctx context.Context, i int, o operation) error {
	stale, err := d.watch.Stale(o.UUID)
	if err != nil {
		return volume.Explain("", err)
	}
	if stale {
		if err := d.look(ctx); err != nil {
			return err
		}
	}
	s, there := d.view.WithUUID(o.UUID)
	if !there {
		return nil
	}
	if string([]rune(s.Path)) != o.Path { // as JSON has it
		return volume.Drifted("cannot delete %q: the subvolume is at %q now", o.Path, s.Path)
	}
	if words, _ := d.guard.stays(s); words != "" {
		return volume.Drifted("cannot delete %q: %s", o.Path, words)
	}
	if o.Open {
		if !s.ReadOnly {
			return nil
		}
		if err := d.f.SetReadOnly(s.Path, o.UUID, false); err != nil {
			return volume.Explain("", err)
		}
		d.opened[o.UUID] = opening{i, s.Path}
		return nil
	}
	err = d.f.DeleteByUUID(s.ID, o.UUID)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil
	}
	if err != nil {
		return volume.Explain("", fmt.Errorf("cannot delete %q: %w", o.Path, err))
	}
	d.gone[o.UUID] = true
	if open, was := d.opened[o.UUID]; was { // only now nothing can undo it
		d.c.Done(open.operation)
		delete(d.opened, o.UUID)
	}
	d.c.Done(i)
	return nil
}

// close makes those read-only again that were made writable and have not gone.
func (d *felling) close() error {
	var errs []error
	for i, o := range d.private.Operations {
		open, was := d.opened[o.UUID]
		if !was || open.operation != i {
			continue
		}
		if err := d.f.SetReadOnly(open.path, o.UUID, true); err != nil && !errors.Is(err, kernel.ErrNotFound) {
			d.c.Done(i)
			errs = append(errs, volume.Refuse("make it read-only with btrfs.property", "%q was read-only and stays writable: %v", o.Path, err))
			continue
		}
		d.c.Logf("warn", "%q is read-only again", o.Path)
	}
	return errors.Join(errs...)
}

// finish makes the deletions durable, and with them the end of the records of snapshots that are gone.
func (d *felling) finish() error {
	if len(d.gone) == 0 {
		return nil
	}
	if err := d.view.RemoveRecords(d.gone); err != nil {
		d.c.Logf("warn", "the subvolumes are deleted, but the records of snapshots among them could not be removed: %v", err)
	}
	return volume.Explain("", volume.FreeSpace(d.h, d.f))
}
