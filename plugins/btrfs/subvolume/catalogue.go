package subvolume

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// record is a file of the catalogue: what one run took. It is written before the snapshots are made, without their
// UUIDs, and again with them afterwards, so that no crash leaves a snapshot that nobody knows, or claims one that
// somebody else made.
type record struct {
	Run     string `json:"run"`
	Stamp   string `json:"stamp"`
	TakenBy string `json:"taken_by"`
	// Untrusted is why the clock could not be believed when the members were created; "" if it could.
	Untrusted string   `json:"clock_untrusted,omitempty"`
	Members   []member `json:"members"`
}

// member is one snapshot of a record.
type member struct {
	Path       string      `json:"path"`   // when it was taken
	Source     string      `json:"source"` // path of the source at that time
	SourceUUID kernel.UUID `json:"source_uuid,omitzero"`
	UUID       kernel.UUID `json:"uuid,omitzero"`      // zero: not known yet
	Writable   bool        `json:"writable,omitempty"` // made for somebody to write to: never managed
	// Adopted: somebody else has made it, so that its name means nothing and its creation time everything.
	Adopted bool `json:"adopted,omitempty"`
	// Received is what the kernel has as the received UUID of a snapshot that was sent from elsewhere: that of the snapshot
	// it is a copy of. Its age goes by the stamp, which is of the sender's clock.
	Received kernel.UUID `json:"received,omitzero"`
}

// recordName is the name of the file that a run's record has. All steps of a run share it.
func recordName(stamp, run string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, run)
	if safe != run || len(safe) > 128 || safe == "" {
		sum := sha256.Sum256([]byte(run))
		safe = safe[:min(len(safe), 64)] + "-" + hex.EncodeToString(sum[:8])
	}
	return stamp + "-" + safe + volume.RecordSuffix
}

func encodeRecord(r record) []byte {
	data, err := volume.EncodeRecord(r)
	if err != nil {
		panic(err) // strings and UUIDs only
	}
	return data
}

// decodeRecord refuses everything that recordName and encodeRecord could not have left.
func decodeRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	if _, ok := ParseStamp(r.Stamp); !ok {
		return r, fmt.Errorf("the stamp is %q", r.Stamp)
	}
	for _, m := range r.Members {
		clean, err := volume.CleanPath("", m.Path)
		switch {
		case err != nil:
			return r, err
		case clean != m.Path || clean == "":
			return r, fmt.Errorf("a member has the path %q", m.Path)
		case m.Source == "":
			return r, fmt.Errorf("member %q has no source", m.Path)
		case m.UUID.IsZero() && !m.Received.IsZero():
			return r, fmt.Errorf("member %q was received and has no UUID", m.Path)
		case m.UUID.IsZero() && (m.SourceUUID.IsZero() || m.Adopted):
			return r, fmt.Errorf("member %q has neither a UUID nor that of its source", m.Path)
		}
	}
	return r, nil
}

// catalogue is all records.
type catalogue struct {
	names   []string // of the files, sorted
	records []record // in the same order
	byUUID  map[kernel.UUID]entry
	byPath  map[string][]entry // those without UUID
}

// entry is a member with what its record says.
type entry struct {
	member
	run, stamp string
	untrusted  bool
}

// sent is when a snapshot that was received was taken; zero for one that was taken here.
func (e entry) sent() time.Time {
	if e.Received.IsZero() {
		return time.Time{}
	}
	t, _ := ParseStamp(e.stamp)
	return t
}

func newCatalogue() catalogue {
	return catalogue{byUUID: map[kernel.UUID]entry{}, byPath: map[string][]entry{}}
}

// expect makes room for what is going to be added to an empty catalogue.
func (c *catalogue) expect(records []readResult) {
	members := 0
	for _, r := range records {
		members += len(r.Members)
	}
	c.names, c.records = make([]string, 0, len(records)), make([]record, 0, len(records))
	c.byUUID = make(map[kernel.UUID]entry, members)
}

func (c *catalogue) add(name string, r record) {
	c.names = append(c.names, name)
	c.records = append(c.records, r)
	for _, m := range r.Members {
		e := entry{member: m, run: r.Run, stamp: r.Stamp, untrusted: r.Untrusted != ""}
		if m.UUID.IsZero() {
			c.byPath[m.Path] = append(c.byPath[m.Path], e)
		} else {
			c.byUUID[m.UUID] = e
		}
	}
}

// record returns the record of that name.
func (c catalogue) record(name string) (record, bool) {
	if i := slices.Index(c.names, name); i >= 0 {
		return c.records[i], true
	}
	return record{}, false
}

// find returns what the catalogue says of a subvolume. Where a run ended before it could note the UUID, the place, the
// name and the source must be what it had set out to make.
func (c catalogue) find(s kernel.Subvolume) (entry, bool) {
	if e, ok := c.byUUID[s.UUID]; ok && !s.UUID.IsZero() {
		return e, true
	}
	for _, e := range c.byPath[s.Path] {
		if s.ParentUUID == e.SourceUUID && path.Base(s.Path) == e.stamp {
			return e, true
		}
	}
	return entry{}, false
}

// members passes every member, in the order of the records.
func (c catalogue) members(each func(member)) {
	for _, r := range c.records {
		for _, m := range r.Members {
			each(m)
		}
	}
}

// empty returns the names of the records none of whose members exists any more. A member without UUID counts as long as
// any subvolume is at its path.
func (c catalogue) empty(all []subvolume) []string {
	uuids := make(map[kernel.UUID]bool, len(all))
	paths := make(map[string]bool, len(all))
	for _, s := range all {
		uuids[s.UUID] = true
		paths[s.Path] = true
	}
	var names []string
	for i, r := range c.records {
		alive := false
		for _, m := range r.Members {
			alive = alive || uuids[m.UUID] && !m.UUID.IsZero() || m.UUID.IsZero() && paths[m.Path]
		}
		if !alive {
			names = append(names, c.names[i])
		}
	}
	return names
}
