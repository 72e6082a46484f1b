package subvolume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// doomed is a snapshot that a plan deletes.
type doomed struct {
	ID     uint64
	UUID   kernel.UUID
	Path   string
	Source string
}

// reportAgain is how often a deletion reports how far it is.
const reportAgain = 100 * time.Millisecond

// deletion deletes a planned list under the lock on names. It looks at the machine when it starts, and again whenever
// volume.Watch says so: at the subvolumes, mounts, holds and hold switches, not at the catalogue, which nobody without the
// lock changes.
type deletion struct {
	h     volume.Host
	c     *sdk.Call
	f     *kernel.Filesystem
	into  string
	items []doomed
	clock string // which one to believe
	want  *want  // free space that items go for; nil: all go in any case

	watch     *volume.Watch
	m         *machine
	guards    clock
	survivors map[string]int // snapshots of a source that are not on the list
	reported  time.Time
}

// run deletes and returns the indexes of the items that it deleted. One that can't be deleted is an error and does not
// keep the others from it.
func (d *deletion) run(ctx context.Context) (deleted []int, err error) {
	unlock, err := volume.LockNames(ctx, d.h, d.f)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d.watch = volume.NewWatch(d.h, d.f)
	defer d.watch.Close()
	if d.m, err = observe(ctx, d.h, d.f, look{catalogue: true, guards: true}); err != nil {
		return nil, err
	}
	if d.m.readOnly {
		return nil, d.m.readOnlyError("nothing can be deleted")
	}
	if err := d.checked(); err != nil {
		return nil, err
	}
	var errs []error
	for i, item := range d.items {
		if enough, err := d.enough(ctx, i); err != nil || enough {
			errs = append(errs, err)
			break
		}
		if err := d.fresh(ctx, item); err != nil {
			errs = append(errs, err)
			break
		}
		gone, err := d.one(item)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !gone:
			deleted = append(deleted, i)
			d.want.gone(item.ID)
			d.c.Done(i)
		}
		d.report(i + 1)
		if err == nil {
			continue
		}
		if broken, err := d.f.ReadOnly(); err != nil || broken { // the kernel gave up: it is the same for all that follow
			break
		}
	}
	// They come to disk with the deletions or after them, never before: nobody syncs their folder by itself while the lock is
	// held.
	gone := make(map[kernel.UUID]bool, len(deleted))
	for _, i := range deleted {
		gone[d.items[i].UUID] = true
	}
	if err := d.m.removeRecords(d.f, gone); err != nil {
		d.c.Logf("warn", "the snapshots are deleted, but their records could not be removed: %v", err)
	}
	if len(deleted) > 0 {
		if err := volume.FreeSpace(d.h, d.f); err != nil {
			return deleted, errors.Join(append(errs, volume.Explain("", err))...)
		}
	}
	err = errors.Join(errs...)
	if err == nil {
		d.tell(ctx, deleted)
	}
	return deleted, err
}

// fresh looks at the machine again when it is time to.
func (d *deletion) fresh(ctx context.Context, item doomed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stale, err := d.watch.Stale(item.UUID)
	if err != nil {
		return volume.Explain("", err)
	}
	if !stale {
		return nil
	}
	if err := d.m.observeSubvolumes(d.f); err != nil {
		return err
	}
	if err := d.m.observeGuards(d.h, d.f, d.f.MountedSubvolumes); err != nil {
		return err
	}
	return d.checked()
}

// checked draws the conclusions from a look at the machine.
func (d *deletion) checked() error {
	d.watch.Looked()
	if err := d.m.mayDelete(); err != nil {
		return err
	}
	if held := d.m.held(); held != "" {
		return volume.Drifted("nothing more is deleted: %s", held)
	}
	d.guards = d.m.trust(d.clock, d.c.Instant)
	listed := make(map[kernel.UUID]bool, len(d.items))
	for _, item := range d.items {
		listed[item.UUID] = true
	}
	d.survivors = map[string]int{}
	for _, s := range d.m.subvolumes {
		if s.managed() && !listed[s.UUID] && s.belongs(d.into) && d.m.valid(s, d.guards) {
			d.survivors[s.source]++
		}
	}
	return nil
}

// one deletes one item if it is still what the plan saw.
func (d *deletion) one(item doomed) (gone bool, err error) {
	s, there := d.m.withUUID(item.UUID)
	if !there {
		return true, nil
	}
	if err := d.drift(item, s); err != nil {
		return false, err
	}
	err = d.f.DeleteByUUID(s.ID, item.UUID)
	if errors.Is(err, kernel.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, volume.Explain("", fmt.Errorf("cannot delete %q: %w", item.Path, err))
	}
	return false, nil
}

// drift says what keeps the plan from being carried out for this item.
func (d *deletion) drift(item doomed, s subvolume) error {
	switch {
	case s.Path != item.Path:
		return volume.Drifted("cannot delete %q: the snapshot is at %q now", item.Path, s.Path)
	case !s.managed():
		return volume.Drifted("cannot delete %q: it is no managed snapshot any more: %s", item.Path, s.unmanaged)
	case s.source != item.Source || !s.belongs(d.into):
		return volume.Drifted("cannot delete %q: it is not in the folder of its source", item.Path)
	case d.survivors[item.Source] == 0:
		return volume.Drifted("cannot delete %q: no other snapshot of %q would be left", item.Path, item.Source)
	}
	if all := d.m.protections(s, d.guards); len(all) > 0 {
		return volume.Drifted("cannot delete %q: %s", item.Path, all[0].words)
	}
	return nil
}

func (d *deletion) report(count int) {
	if now := d.h.Now(); count == len(d.items) || now.Sub(d.reported) >= reportAgain {
		d.reported = now
		d.c.Progress(sdk.Progress{Current: int64(count), Total: int64(len(d.items)), Unit: "snapshots"})
	}
}

// removeRecords removes the records that nothing is left of once these are gone, and what a crash left in their folder.
func (m *machine) removeRecords(f *kernel.Filesystem, gone map[kernel.UUID]bool) error {
	left := slices.DeleteFunc(slices.Clone(m.subvolumes), func(s subvolume) bool { return gone[s.UUID] })
	if len(m.state.catalogue.names) == 0 {
		return nil
	}
	dir, err := f.OpenDir(recordsFolder)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, name := range m.state.catalogue.empty(left) {
		// Not Dir.Remove, which looks first: this can remove nothing but a file.
		if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil && err != unix.ENOENT {
			return fmt.Errorf("cannot remove %q: %w", name, err)
		}
	}
	return volume.RemoveTemporary(dir)
}
