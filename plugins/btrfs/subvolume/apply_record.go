package subvolume

import (
	"bytes"
	"errors"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// makeCatalogue makes the catalogue's folder, and reports whether it was not complete before.
func makeCatalogue(f *kernel.Filesystem) (fresh bool, err error) {
	made, err := volume.MakeState(f)
	if err != nil {
		return false, err
	}
	more, err := f.MkdirAll(recordsFolder, 0o700)
	return made || len(more) > 0, err
}

// startRecord puts together what is to be written before the snapshots are made: what other steps of the run have taken,
// and the items without their UUIDs.
func (t *taker) startRecord(known catalogue) {
	t.record = record{Run: t.c.Run, Stamp: t.private.Stamp, TakenBy: "btrfs.snapshot"}
	if r, ok := known.record(recordName(t.private.Stamp, t.c.Run)); ok {
		t.record = r
		t.onDisk = encodeRecord(t.record)
	}
	t.record.Members = slices.Clone(t.record.Members)
	for i, item := range t.private.Items {
		m := member{Path: item.Path, Source: item.Source, SourceUUID: item.SourceUUID, Writable: !t.in.ReadOnly}
		j := t.memberOf(i)
		switch {
		case j < 0:
			t.record.Members = append(t.record.Members, m)
		case !t.there[i]:
			t.record.Members[j] = m
		}
	}
}

// memberOf is the index of an item in the record, -1 if it is not there.
func (t *taker) memberOf(i int) int {
	return slices.IndexFunc(t.record.Members, func(m member) bool { return m.Path == t.private.Items[i].Path })
}

// finishRecord notes the UUIDs, and drops the items that there is no snapshot of.
func (t *taker) finishRecord() {
	for i, item := range t.private.Items {
		j := t.memberOf(i)
		if !t.there[i] {
			t.record.Members = slices.Delete(t.record.Members, j, j+1)
			continue
		}
		id, err := kernel.ParseUUID(string(t.out.Snapshots[item.Output].UUID))
		if err == nil {
			t.record.Members[j].UUID = id
		}
	}
}

// writeRecord writes the record, if it differs from what is there. One without members is removed. It is on disk no later than the next
// snapshot is, as each commits: no power cut leaves a snapshot without its record. What is written after them adds the UUIDs; until
// that is on disk too, they are found by what was written before.
func (t *taker) writeRecord() error {
	path := recordsFolder + "/" + recordName(t.private.Stamp, t.c.Run)
	if len(t.record.Members) == 0 {
		t.onDisk = nil
		if err := t.f.Remove(path); err != nil && !errors.Is(err, kernel.ErrNotFound) {
			return err
		}
		return nil
	}
	data := encodeRecord(t.record)
	if bytes.Equal(data, t.onDisk) {
		return nil
	}
	if err := t.f.WriteFileSoon(path, data, 0o600); err != nil {
		return err
	}
	t.onDisk = data
	return nil
}
