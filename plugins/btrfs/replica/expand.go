package replica

import (
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/sdk"
)

// Expand returns the layout with all that is written in short written in full, as Capture writes it: every subvolume has a UUID, a
// time (now, where none is given) and the UUID of its parent, and series are subvolumes with their records. The layout has
// passed Check.
func (l Layout) Expand(now time.Time) Layout {
	if l.Taken.IsZero() {
		l.Taken = now
	}
	l.Taken = l.Taken.UTC()
	l.Filesystems = slices.Clone(l.Filesystems)
	for i := range l.Filesystems {
		l.Filesystems[i].expand(i, l.Taken)
	}
	return l
}

func (f *Filesystem) expand(index int, taken time.Time) {
	if f.UUID == "" {
		f.UUID = made("filesystem", fmt.Sprint(index), f.Label)
	}
	f.Subvolumes, f.Records = slices.Clone(f.Subvolumes), slices.Clone(f.Records)
	at := map[string]sdk.UUID{}
	for i := range f.Subvolumes {
		s := &f.Subvolumes[i]
		if s.UUID == "" {
			s.UUID = made("subvolume", string(f.UUID), s.Path)
		}
		at[s.Path] = s.UUID
		if s.Created = s.created(taken).UTC(); s.Created.IsZero() {
			s.Created = taken
		}
		s.Age = 0
	}
	taking := map[time.Time][]subvolume.Taken{}
	for _, series := range f.Series {
		last := series.Every
		if series.Last != nil {
			last = *series.Last
		}
		for n := range series.Count {
			instant := taken.Add(-time.Duration(last) - time.Duration(series.Count-1-n)*time.Duration(series.Every)).Truncate(time.Millisecond)
			p := path.Join(series.Into, subvolume.FolderOf(series.Of), subvolume.StampOf(instant))
			s := Subvolume{Path: p, UUID: made("subvolume", string(f.UUID), p), Parent: at[series.Of], Created: instant, ReadOnly: true}
			if of := f.at(series.Of); of != nil {
				s.Compression, s.NoCow = of.Compression, of.NoCow
			}
			f.Subvolumes = append(f.Subvolumes, s)
			taking[instant] = append(taking[instant], subvolume.Taken{Path: p, Source: series.Of, UUID: s.UUID, SourceUUID: s.Parent})
		}
	}
	f.Series = nil
	for i := range f.Subvolumes {
		if s := &f.Subvolumes[i]; s.SnapshotOf != "" {
			s.Parent, s.SnapshotOf = at[s.SnapshotOf], ""
		}
	}
	for instant, all := range taking {
		name, content := subvolume.CatalogueRecord(fmt.Sprintf("%s-layout", instant.Format("20060102T150405Z")), instant, all)
		f.Records = append(f.Records, Record{Path: name, Content: string(content)})
	}
	if len(f.Records) > 0 && !slices.ContainsFunc(f.Records, func(r Record) bool { return r.Path == "version" }) {
		f.Records = append(f.Records, Record{Path: "version", Content: "1\n"})
	}
	sort.Slice(f.Records, func(i, j int) bool { return f.Records[i].Path < f.Records[j].Path })
	sort.Slice(f.Subvolumes, func(i, j int) bool { return f.Subvolumes[i].Path < f.Subvolumes[j].Path })
}

// at is the subvolume at a path, nil where there is none.
func (f *Filesystem) at(p string) *Subvolume {
	for i := range f.Subvolumes {
		if f.Subvolumes[i].Path == p {
			return &f.Subvolumes[i]
		}
	}
	return nil
}

// made makes a UUID out of what it is to identify: the same each time.
func made(words ...string) sdk.UUID {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	id := kernel.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562, version 8
	return sdk.UUID(id.String())
}
