package subvolume

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Shelf is what there is to know of the snapshots on one filesystem for whoever sends or receives them. It is read once.
type Shelf struct{ m *machine }

// Snapshot is a managed one.
type Snapshot struct {
	kernel.Subvolume        // of a planned one only Path, OTime and ReadOnly are known
	Planned          bool   // an earlier step of a preview makes it
	Source           string // name
	Untrusted        string // why the clock that its stamp is from could not be believed; "" if it could
}

// Origin is the UUID by which all copies of a snapshot know each other: its own, or that of the one it was received from.
// The kernel puts it into the streams that it sends.
func (s Snapshot) Origin() kernel.UUID {
	if !s.ReceivedUUID.IsZero() {
		return s.ReceivedUUID
	}
	return s.UUID
}

// ReadShelf reads the subvolumes and the catalogue, with the changes of earlier steps laid over them. Records that can't be
// used are an error.
func ReadShelf(ctx context.Context, h volume.Host, f *kernel.Filesystem, prior []sdk.Change) (*Shelf, error) {
	m, err := observe(ctx, h, f, look{catalogue: true, prior: prior})
	if err != nil {
		return nil, err
	}
	if err := m.mayTouch(); err != nil {
		return nil, err
	}
	if len(m.state.corrupt) > 0 {
		return nil, volume.Refuse("look at it, and remove it if it is worth nothing", "a record of snapshots can't be read: %v", m.state.corrupt[0])
	}
	return &Shelf{m}, nil
}

// ReadOnly reports whether nothing can be written to the filesystem.
func (s *Shelf) ReadOnly() bool { return s.m.readOnly }

// Sealed finds the read-only subvolume that a path lies in or is.
func (s *Shelf) Sealed(path string) (string, bool) {
	around, sealed := s.m.sealed(path + "/x")
	return around.Path, sealed
}

// All are the subvolumes that exist, but the top level, sorted by path.
func (s *Shelf) All() []kernel.Subvolume {
	var all []kernel.Subvolume
	for _, sub := range s.m.subvolumes {
		if !sub.planned {
			all = append(all, sub.Subvolume)
		}
	}
	return all
}

// Sources are the names of the sources that inputs mean, in their order; without inputs of all that have snapshots below
// the folder, sorted. A wrong one is an error.
func (s *Shelf) Sources(f *kernel.Filesystem, folder string, given []sdk.Subvolume) ([]string, error) {
	names := map[string]bool{}
	if given == nil {
		for _, sub := range s.m.subvolumes {
			if sub.managed() && volume.ParentOf(sub.Path) == folder+"/"+folderOf(sub.source) {
				names[sub.source] = true
			}
		}
		return slices.Sorted(maps.Keys(names)), nil
	}
	s.m.sources = observeSources(f, "sources", given)
	var all []string
	var errs []error
	for i, src := range s.m.sources {
		switch {
		case src.problem != nil:
			errs = append(errs, src.problem)
		case src.missing:
			errs = append(errs, volume.Invalid(volume.At("sources", i), "name it by its path from the filesystem's top level", "there is nothing at %q", src.given))
		case names[src.path]:
			errs = append(errs, volume.Invalid(volume.At("sources", i), "name each source once", "%q is the same as another one of them", src.given))
		default:
			names[src.path] = true
			all = append(all, src.path)
		}
	}
	return all, errors.Join(errs...)
}

// Of returns the managed snapshots of a source in a folder of snapshots, the oldest first, without those that were adopted.
func (s *Shelf) Of(source, folder string) []Snapshot {
	var all []Snapshot
	for _, sub := range s.m.snapshotsOf(source, folder) {
		if sub.adopted {
			continue // its name is no stamp: the copies could not be told apart
		}
		one := Snapshot{Subvolume: sub.Subvolume, Planned: sub.planned, Source: sub.source}
		if sub.untrusted {
			one.Untrusted = "the clock was not trusted when it was taken"
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Snapshot) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

// FolderOf is the name of the folder that holds the snapshots of a source.
func FolderOf(source string) string { return folderOf(source) }

// StampTime reads the stamp that is a snapshot's name.
func StampTime(name string) (time.Time, bool) { return parseStamp(name) }

// PlannedCopy is the After of a change that creates a managed snapshot by receiving it: later steps of a preview see it so.
func PlannedCopy(source, stamp string) json.RawMessage {
	taken, _ := parseStamp(stamp)
	return attributes{Source: source, ReadOnly: true, Managed: true, Created: taken}.encode()
}

// receivedBy is TakenBy of the records of received snapshots.
const receivedBy = "btrfs.receive"

// Received is a snapshot that was received.
type Received struct {
	Path, Source, Stamp string
	UUID, Origin        kernel.UUID
	Untrusted           string // as in Snapshot
}

// RecordReceived takes a received snapshot into the catalogue, durably: from then on btrfs.prune may expire it. The caller
// holds the lock on names and has read the Shelf.
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
