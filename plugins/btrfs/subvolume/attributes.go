package subvolume

import (
	"encoding/json"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// attributes is the After of a change that creates a subvolume, and the Before of one that deletes it: from it later steps of a
// preview know the subvolume.
type attributes struct {
	Source     string    `json:"source,omitempty"` // of a snapshot
	ParentUUID string    `json:"parent_uuid,omitempty"`
	ReadOnly   bool      `json:"read_only"`
	Managed    bool      `json:"managed"`
	Created    time.Time `json:"created"`
	// Of a copy of a snapshot: the UUID by which all copies know each other, or the path of one that is planned; and how many files
	// it takes to make it, if it is a file.
	Origin string `json:"origin,omitempty"`
	Needs  int    `json:"needs,omitempty"`
	Shape
}

// encode needs a Created in the years of RFC 3339, or nothing was planned.
func (a attributes) encode() json.RawMessage { return Encode(a) }

// AfterCreate is the After of a change that creates an empty subvolume with this shape.
func AfterCreate(shape Shape, instant time.Time) json.RawMessage {
	return attributes{Created: instant.UTC(), Shape: shape}.encode()
}

// AfterCopy is the After of a change that creates a writable snapshot.
func AfterCopy(parent kernel.UUID, instant time.Time) json.RawMessage {
	return attributes{ParentUUID: uuidText(parent), Created: instant.UTC()}.encode()
}

// AfterReceive is the After of a change that creates a managed snapshot by receiving it, or a file to make it of: origin is the UUID by
// which all copies know each other, or the path of the snapshot if that is planned; needs is of files.
func AfterReceive(source, stamp, origin string, needs int) json.RawMessage {
	taken, _ := ParseStamp(stamp)
	return attributes{Source: source, ReadOnly: true, Managed: true, Created: taken, Origin: origin, Needs: needs}.encode()
}

// ReceivedAs reads origin and needs again; "" of what is no copy.
func ReceivedAs(after json.RawMessage) (origin string, needs int) {
	a := readAttributes(after)
	return a.Origin, a.Needs
}

// BeforeDelete is the Before of a change that deletes a subvolume.
func BeforeDelete(k Known) json.RawMessage {
	return attributes{Source: k.Source, ParentUUID: uuidText(k.ParentUUID), ReadOnly: k.ReadOnly, Managed: k.Managed(), Created: k.OTime}.encode()
}
