package subvolume

import (
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// receivedBy is TakenBy of the records of received snapshots.
const receivedBy = "btrfs.receive"

// Received is a snapshot that was received.
type Received struct {
	Path, Source, Stamp string
	UUID, Origin        kernel.UUID
	Untrusted           string // as in Known
}

// RecordReceived takes a received snapshot into the catalogue, durably: from then on btrfs.prune may expire it. The caller
// holds the lock on names and has made sure that the records can be used.
func RecordReceived(f *kernel.Filesystem, r Received) error {
	fresh, err := makeCatalogue(f)
	if err != nil {
		return err
	}
	if fresh {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	// One record for each, by the UUID of the snapshot that it is a copy of: whoever sends it, and whenever.
	data := encodeRecord(record{Run: r.Origin.String(), Stamp: r.Stamp, TakenBy: receivedBy, Untrusted: r.Untrusted,
		Members: []member{{Path: r.Path, Source: r.Source, UUID: r.UUID, Received: r.Origin}}})
	return f.WriteFileAtomic(recordsFolder+"/"+recordName(r.Stamp, "received-"+r.UUID.String()), data, 0o600)
}
