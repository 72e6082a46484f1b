package subvolume

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/sdk"
)

// Taken is one snapshot as CatalogueRecord notes it.
type Taken struct {
	Path, Source     string
	UUID, SourceUUID sdk.UUID
}

// CatalogueRecord is the file that btrfs.snapshot leaves in coppice's folder when a run of that instant takes snapshots: its path
// in that folder, and its content. For copies of filesystems, whose past nobody has lived through.
func CatalogueRecord(run string, instant time.Time, all []Taken) (path string, content []byte) {
	r := record{Run: run, Stamp: StampOf(instant), TakenBy: "btrfs.snapshot"}
	for _, t := range all {
		m := member{Path: t.Path, Source: t.Source}
		m.UUID, _ = kernel.ParseUUID(string(t.UUID)) // the zero value stands for none
		m.SourceUUID, _ = kernel.ParseUUID(string(t.SourceUUID))
		r.Members = append(r.Members, m)
	}
	return "snapshots/" + recordName(r.Stamp, run), encodeRecord(r)
}
