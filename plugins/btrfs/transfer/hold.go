package transfer

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// commonHold is the hold on the newest common snapshot, on the side of the sender.
func commonHold(in SendInput, instant time.Time) volume.Hold {
	h := volume.Hold{Who: holder(in), Reason: "newest common snapshot with " + holder(in)}
	if in.HoldFor > 0 {
		h.Until = instant.UTC().Add(time.Duration(in.HoldFor)).Truncate(time.Second)
	}
	return h
}

// readHolds reads all holds. One that can't be read is an error.
func readHolds(f *kernel.Filesystem) (map[kernel.UUID]volume.Holds, error) {
	holds, unreadable := volume.ReadHolds(f)
	if len(unreadable) > 0 {
		return nil, volume.Refuse("correct or remove it", "a hold can't be read: %v", unreadable[0])
	}
	return holds, nil
}

// moveHold puts a hold on a snapshot, then takes those of the same holder from others: if it fails, one of them is held. The caller
// holds the lock on names.
func moveHold(f *kernel.Filesystem, to kernel.UUID, from []kernel.UUID, h volume.Hold) error {
	holds, err := readHolds(f)
	if err != nil {
		return err
	}
	if _, err := volume.MakeState(f); err != nil {
		return err
	}
	if now, held := holds[to].Of(h.Who); !held || now != h {
		if err := volume.WriteHolds(f, to, holds[to].With(h)); err != nil {
			return err
		}
	}
	for _, id := range from {
		if _, held := holds[id].Of(h.Who); id == to || !held {
			continue
		}
		if err := volume.WriteHolds(f, id, holds[id].Without(h.Who)); err != nil {
			return err
		}
	}
	return nil
}
