package subvolume

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Known is a subvolume of a View: what the kernel tells of it, with what coppice knows. What comes from the catalogue is known only
// if the View has looked at that.
type Known struct {
	kernel.Subvolume
	Planned   bool   // an earlier step makes it: it has no UUID, no ID, no transaction and no content yet
	Source    string // path of what it is a snapshot of, if the catalogue says so
	Unmanaged string // why btrfs.prune leaves it alone, in words; "" if it may expire it
	Untrusted string // why the clock that its stamp is from could not be believed; "" if it could
	Shape     Shape  // what earlier steps will have given it

	// Of one that is planned, as far as Shape says nothing: the ID of the subvolume whose limits it has, and the path at which
	// that one is now whose compression it has.
	LimitsOf      uint64
	CompressionOf string
}

func knownOf(s subvolume) Known {
	k := Known{Subvolume: s.Subvolume, Planned: s.planned, Source: s.source, Unmanaged: s.unmanaged, Shape: s.shape,
		LimitsOf: s.heir.limits, CompressionOf: s.heir.folder}
	if s.untrusted {
		k.Untrusted = "the clock was not trusted when it was taken"
	}
	return k
}

// Managed reports whether btrfs.prune may expire it.
func (k Known) Managed() bool { return k.Unmanaged == "" }

// Key identifies it: its UUID, or its path if it is planned.
func (k Known) Key() string {
	if k.Planned {
		return k.Path
	}
	return k.UUID.String()
}

// IDText is its UUID for outputs and resources, "" if it is planned.
func (k Known) IDText() string {
	if k.Planned {
		return ""
	}
	return k.UUID.String()
}

// Fact is what identifies it in the facts of a plan: its UUID, unless it was made since the run's instant: in a preview that
// one is known by its path only.
func (k Known) Fact(instant time.Time) string {
	if k.Planned || !k.OTime.Before(instant.Add(-coarse)) {
		return k.Path
	}
	return k.UUID.String()
}

// Origin is the UUID by which all copies of a snapshot know each other: its own, or that of the one it was received from.
// The kernel puts it into the streams that it sends.
func (k Known) Origin() kernel.UUID {
	if !k.ReceivedUUID.IsZero() {
		return k.ReceivedUUID
	}
	return k.UUID
}

// OriginKey is Origin as a text, or the path of one that is planned.
func (k Known) OriginKey() string {
	if k.Planned {
		return k.Path
	}
	return k.Origin().String()
}
