package subvolume

import (
	"context"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// Between two looks at the free space a deletion lets 1, 2, 4 and then always 8 snapshots go: so it deletes at most 7 more
// than it has to, and waits for the cleaner not too often.
const largestBatch = 8

// cleaning is how long a deletion waits for the cleaner before it gives up knowing how much is free.
const cleaning = 10 * time.Minute

// want is what a deletion goes on for when the items that go in any case are gone.
type want struct {
	in    PruneInput
	sure  int // items that go in any case
	next  int // item before which to look at the free space
	batch int // how many went since the last look
	waits []uint64
	space space // at the last look
	met   bool
}

// gone notes that an item is deleted.
func (w *want) gone(id uint64) {
	if w != nil {
		w.waits = append(w.waits, id)
	}
}

// enough reports, before an item, whether nothing more has to go. The free space is looked at when all that was deleted so far
// is really free: committed, cleaned up and committed again.
func (d *deletion) enough(ctx context.Context, item int) (bool, error) {
	w := d.want
	if w == nil || item < w.next {
		return false, nil
	}
	if w.batch > 0 && len(w.waits) == 0 { // none of the batch could be deleted
		w.next = item + 1
		return false, nil
	}
	if err := d.measure(ctx); err != nil {
		return false, err
	}
	if w.met {
		return true, nil
	}
	w.batch = min(max(1, 2*w.batch), largestBatch)
	w.next = item + w.batch
	return false, nil
}

func (d *deletion) measure(ctx context.Context) error {
	w := d.want
	if len(w.waits) > 0 {
		if err := d.f.Sync(); err != nil {
			return volume.Explain("", err)
		}
		limit, stop := context.WithTimeout(ctx, cleaning)
		defer stop()
		if err := d.f.WaitCleaned(limit, w.waits, 20*time.Millisecond, nil); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return volume.Explain("", fmt.Errorf("nothing more is deleted for space, as nobody knows how much is free: %w", err))
		}
		w.waits = nil
		if err := d.f.Sync(); err != nil { // what the cleaner frees can be used after the commit
			return volume.Explain("", err)
		}
	}
	var err error
	if w.space, err = measure(d.f); err != nil {
		return err
	}
	w.met = w.in.lacks(w.space) == 0
	return nil
}

// tell sums up what was deleted for space, and warns if that was not enough.
func (d *deletion) tell(ctx context.Context, deleted []int) {
	w := d.want
	if w == nil {
		return
	}
	if !w.met {
		if err := d.measure(ctx); err != nil {
			return // what stopped the deletion says more
		}
	}
	extra := 0
	for _, i := range deleted {
		if i >= w.sure {
			extra++
		}
	}
	d.c.Summarize("%v, %d of at most %d more went for it", w.space, extra, len(d.items)-w.sure)
	if !w.met {
		d.c.Warn(volume.Warn("free space by other means, or add a device", "%v, and %s is asked for, but no more snapshots may go for it", w.space, w.in.wanted()))
	}
}
