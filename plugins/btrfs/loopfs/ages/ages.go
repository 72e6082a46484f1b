package ages

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Facts are what can be set of one subvolume. A zero one is left as it is; times must be after the start of 1970, to the
// nanosecond.
type Facts struct {
	Created  time.Time   // otime, "Creation time" of btrfs subvolume show
	Changed  time.Time   // ctime of the ROOT_ITEM: when the content last changed
	Parent   kernel.UUID // what it says it is a snapshot of, "Parent UUID"
	ReadOnly bool        // true makes it read-only
}

// Set gives subvolumes of an unmounted image the creation times of the map, whose keys are the subvolumes' own UUIDs.
// It fails, with nothing written, when one of them is not in the image (deleted ones are not), when the image is
// mounted or was not unmounted cleanly, and when anything read is not what it should be. It may be called again, and
// with the image attached to a loop device. The caller sees to it that nobody mounts the image meanwhile.
func Set(image string, created map[kernel.UUID]time.Time) error {
	times := make(map[kernel.UUID]Facts, len(created))
	for id, at := range created {
		if at.IsZero() {
			return fmt.Errorf("cannot set ages in %q: subvolume %s: the creation time is not set", image, id)
		}
		times[id] = Facts{Created: at}
	}
	return SetFacts(image, times)
}

// SetFacts is Set for everything that can be set of a subvolume.
func SetFacts(image string, times map[kernel.UUID]Facts) error {
	if err := setFacts(image, times); err != nil {
		return fmt.Errorf("cannot set ages in %q: %w", image, err)
	}
	return nil
}

func setFacts(image string, times map[kernel.UUID]Facts) (err error) {
	// Not even opened before it is known to be a regular file: opening a FIFO would wait, a device could act.
	info, err := os.Stat(image)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is not a regular file (%s)", info.Mode())
	}
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err = f.Stat(); err != nil {
		return err
	}
	if err := refuseMounted(info); err != nil {
		return err
	}
	v, err := openVolume(f)
	if err != nil {
		return err
	}
	patches, err := v.plan(times)
	if err != nil {
		return err
	}
	if err := write(f, patches); err != nil {
		return err
	}
	return f.Sync()
}

// write puts each block at all its places.
func write(w io.WriterAt, patches []*block) error {
	for _, b := range patches {
		b.seal()
		for _, at := range b.copies {
			if _, err := w.WriteAt(b.data, at); err != nil {
				return err
			}
		}
	}
	return nil
}
