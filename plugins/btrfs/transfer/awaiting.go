package transfer

import (
	"context"
	"slices"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// awaitingFor is when a hold on a snapshot that waits to be sent ends by itself, should whoever sends be gone for ever.
const awaitingFor = 30 * 24 * time.Hour

// await holds the snapshots that are still to be sent, so that nothing expires them while those before them are sent, and takes
// the holds of all others away, those that a transfer which was killed has left too. Only one transfer goes from here to the target
// at a time. It is for the time of the transfer only, and no change.
func (s *sender) await(ctx context.Context, waiting []kernel.UUID) error {
	hold := volume.Hold{Who: "sending:" + holder(s.in), Reason: "waits to be sent to " + s.in.To, Until: s.c.Instant.UTC().Add(awaitingFor).Truncate(time.Second)}
	unlock, err := volume.LockNames(ctx, patient(s.h), s.f)
	if err != nil {
		return err
	}
	defer unlock()
	holds, unreadable := volume.ReadHolds(s.f)
	if len(unreadable) > 0 {
		return volume.Refuse("correct or remove it", "a hold can't be read: %v", unreadable[0])
	}
	if len(waiting) > 0 {
		if _, err := volume.MakeState(s.f); err != nil {
			return volume.Explain("", err)
		}
	}
	for id, all := range holds {
		if _, held := all.Of(hold.Who); held && !slices.Contains(waiting, id) {
			if err := volume.WriteHolds(s.f, id, all.Without(hold.Who)); err != nil {
				return volume.Explain("", err)
			}
		}
	}
	for _, id := range waiting {
		if now, held := holds[id].Of(hold.Who); held && now.Until.Equal(hold.Until) {
			continue
		}
		if err := volume.WriteHolds(s.f, id, holds[id].With(hold)); err != nil {
			return volume.Explain("", err)
		}
	}
	return nil
}

// waiting are the snapshots that are to be sent.
func (s *sender) waiting() []kernel.UUID {
	var all []kernel.UUID
	for _, q := range s.private.Queues {
		for _, it := range q.Items {
			all = append(all, it.UUID)
		}
	}
	return all
}
