package subvolume

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// maxAttempts is how often a group is taken until it is in one transaction.
const maxAttempts = 5

// taker takes one group. The slices have one element for each item.
type taker struct {
	h       volume.Host
	c       *sdk.Call
	f       *kernel.Filesystem
	in      SnapshotInput
	private snapshotPrivate
	out     SnapshotOutput

	there  []bool   // it exists, made now or before
	mine   []doomed // what this Apply has made
	failed []error

	folders []string // made by this Apply, outermost first
	record  record
	onDisk  []byte // what the record's file has
}

func applySnapshot(ctx context.Context, h volume.Host, c *sdk.Call, in SnapshotInput, private snapshotPrivate) (SnapshotOutput, error) {
	t := &taker{h: h, c: c, in: in, private: private, out: private.Output}
	if len(private.Items) == 0 {
		return t.out, nil
	}
	f, release, err := volume.OpenLocked(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return t.taken(), err
	}
	defer release()
	t.f = f
	n := len(private.Items)
	t.there, t.mine, t.failed = make([]bool, n), make([]doomed, n), make([]error, n)
	if err := t.prepare(ctx); err != nil {
		t.tidy()
		return t.taken(), err
	}
	t.take(ctx)
	return t.finish(ctx)
}

// prepare makes sure that the machine is as planned, makes the folders and writes the record. Before it returns nil no
// snapshot is made.
func (t *taker) prepare(ctx context.Context) error {
	paths := []string{}
	for _, item := range t.private.Items {
		paths = append(paths, item.Source, item.Path)
	}
	m, err := observe(ctx, t.h, t.f, look{record: recordName(t.private.Stamp, t.c.Run), paths: paths})
	if err != nil {
		return err
	}
	if err := m.mayTouch(); err != nil {
		return err
	}
	if err := m.state.broken[recordName(t.private.Stamp, t.c.Run)]; err != nil {
		return err
	}
	if m.readOnly {
		return m.readOnlyError("no snapshot can be taken")
	}
	var errs []error
	for i, item := range t.private.Items {
		if there, ok := m.at(item.Path); ok {
			known, recorded := m.state.catalogue.find(there.Subvolume)
			if !recorded || known.run != t.c.Run || known.Source != item.Source {
				errs = append(errs, volume.Drifted("a subvolume %q exists now, which this run has not made", item.Path))
			}
			t.found(i, there.Subvolume)
			continue
		}
		source, ok := m.at(item.Source)
		switch {
		case !ok:
			errs = append(errs, volume.Drifted("the subvolume %q does not exist any more", item.Source))
		case source.UUID != item.SourceUUID:
			errs = append(errs, volume.Drifted("%q is another subvolume now, with UUID %v", item.Source, source.UUID))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.makeFolders(); err != nil {
		return volume.Explain("", err)
	}
	t.startRecord(m.state.catalogue)
	if t.record.Untrusted == "" {
		t.record.Untrusted = t.private.Untrusted
	}
	return volume.Explain("", t.writeRecord())
}

// found notes a snapshot that exists.
func (t *taker) found(i int, s kernel.Subvolume) {
	t.there[i] = true
	o := &t.out.Snapshots[t.private.Items[i].Output]
	o.UUID, o.Transaction = sdk.UUID(s.UUID.String()), int64(s.OTransID)
}

func (t *taker) makeFolders() error {
	fresh, err := makeCatalogue(t.f)
	if err != nil {
		return err
	}
	for _, item := range t.private.Items {
		made, err := t.f.MkdirAll(volume.ParentOf(item.Path), 0o700)
		t.folders = append(t.folders, made...)
		if err != nil {
			return err
		}
	}
	if fresh {
		return t.f.Sync() // the folder of the first record must be there before it
	}
	return nil
}

// take makes the snapshots that are missing, again and again until they are in one transaction. One that
// fails ends the attempts: the others stay.
func (t *taker) take(ctx context.Context) {
	for {
		var specs []kernel.SnapshotSpec
		var which []int
		for i, item := range t.private.Items {
			if !t.there[i] {
				which = append(which, i)
				specs = append(specs, kernel.SnapshotSpec{
					SourceUUID: item.SourceUUID, DestDir: volume.ParentOf(item.Path), Name: path.Base(item.Path), ReadOnly: t.in.ReadOnly,
				})
			}
		}
		if len(specs) == 0 {
			break
		}
		t.out.Attempts++
		group := t.h.Together(t.f, volume.StateFolder, specs)
		if group.MarkerErr != nil {
			t.c.Logf("debug", "the snapshots may not be in one transaction: %v", group.MarkerErr)
		}
		broken := false
		for j, r := range group.Results {
			i := which[j]
			if r.Err != nil {
				t.failed[i] = volume.Explain("", fmt.Errorf("cannot snapshot %q: %w", t.private.Items[i].Source, r.Err))
				broken = true
				continue
			}
			t.mine[i] = doomed{ID: r.Subvolume.ID, UUID: r.Subvolume.UUID, Path: r.Subvolume.Path}
			t.found(i, r.Subvolume)
		}
		if _, together := group.OneTransaction(); together || broken || t.out.Attempts == maxAttempts || ctx.Err() != nil {
			break
		}
		t.c.Logf("debug", "attempt %d: the snapshots are not in one transaction", t.out.Attempts)
		if !t.discard() {
			break
		}
	}
	t.out.Atomic = sameTransaction(t.out.Snapshots)
}

// discard deletes what this Apply has made, by UUID, and reports whether all of it is gone.
func (t *taker) discard() bool {
	all := true
	for i, d := range t.mine {
		if d.UUID.IsZero() {
			continue
		}
		if err := t.f.DeleteByUUID(d.ID, d.UUID); err != nil && !errors.Is(err, kernel.ErrNotFound) {
			t.c.Logf("warn", "cannot delete the snapshot %q of an attempt that is to be repeated: %v", d.Path, err)
			all = false
			continue
		}
		t.there[i], t.mine[i] = false, doomed{}
		o := &t.out.Snapshots[t.private.Items[i].Output]
		o.UUID, o.Transaction = "", 0
	}
	return all
}

// finish writes the record anew, reports, and sees to it that nothing is left of a group that had to be atomic.
func (t *taker) finish(ctx context.Context) (SnapshotOutput, error) {
	var errs []error
	if !t.out.Atomic && t.in.RequireAtomic {
		errs = append(errs, volume.Refuse("try again when less is being written, or do without require_atomic",
			"the snapshots could not be taken in one transaction, in %d attempts; none is kept", t.out.Attempts))
		if !t.discard() {
			errs = append(errs, volume.Refuse("delete them with btrfs.delete", "some of them could not be deleted again and stay"))
		}
		if err := t.f.Sync(); err != nil { // their record must not be gone before them
			return t.taken(), errors.Join(append(errs, volume.Explain("", err))...)
		}
	}
	for _, err := range t.failed {
		if err != nil {
			errs = append(errs, err)
		}
	}
	t.finishRecord()
	if err := t.writeRecord(); err != nil {
		// What it says already is enough to find the snapshots by.
		t.c.Logf("warn", "cannot note the UUIDs of the snapshots: %v", err)
	}
	t.tidy()
	made := 0
	for i, d := range t.mine {
		if !d.UUID.IsZero() {
			t.c.Done(i)
			made++
		}
	}
	t.summarize(made)
	if !t.out.Atomic && !t.in.RequireAtomic && len(errs) == 0 && made > 0 {
		t.c.Warn(volume.Warn("try again when less is being written, or set require_atomic to fail instead",
			"the snapshots are not of one moment: %s did not get them into one transaction", volume.Count(t.out.Attempts, "attempt")))
	}
	return t.taken(), errors.Join(errs...)
}

// summarize says whether the snapshots are of one moment, when there are several.
func (t *taker) summarize(made int) {
	if made < 2 {
		return
	}
	var first int64
	for _, s := range t.out.Snapshots {
		if s.UUID != "" {
			first = s.Transaction
		}
	}
	switch {
	case t.out.Atomic && t.out.Attempts > 1:
		t.c.Summarize("in one transaction (%d), at attempt %d", first, t.out.Attempts)
	case t.out.Atomic:
		t.c.Summarize("in one transaction (%d)", first)
	default:
		t.c.Summarize("not in one transaction, after %s", volume.Count(t.out.Attempts, "attempt"))
	}
}

// taken is the output with the snapshots that there are.
func (t *taker) taken() SnapshotOutput {
	out := t.out
	out.Snapshots = slices.DeleteFunc(slices.Clone(out.Snapshots), func(s TakenSnapshot) bool { return s.UUID == "" })
	return out
}

// tidy removes the folders that were made for nothing.
func (t *taker) tidy() {
	if slices.Contains(t.there, true) {
		return
	}
	for _, folder := range slices.Backward(t.folders) {
		if err := t.f.Remove(folder); err != nil && !errors.Is(err, kernel.ErrNotFound) && !errors.Is(err, kernel.ErrNotEmpty) {
			t.c.Logf("warn", "cannot remove the folder that was made for the snapshots: %v", err)
		}
	}
}
