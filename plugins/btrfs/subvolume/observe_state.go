package subvolume

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// recordsFolder is the catalogue's.
const recordsFolder = volume.StateFolder + "/snapshots"

// readState reads what .coppice says. An error is one of reading; what is wrong with the content is in the state.
func readState(f *kernel.Filesystem, l look) (state, error) {
	s := state{catalogue: newCatalogue(), broken: map[string]error{}}
	var err error
	if s.schema, err = volume.CheckState(f); err != nil || s.schema != nil {
		return s, err
	}
	if !l.catalogue && l.record == "" {
		return s, nil
	}
	dir, err := f.OpenDir(recordsFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer dir.Close()
	names := []string{l.record}
	if l.catalogue {
		if names, err = volume.RecordNames(dir); err != nil {
			return s, err
		}
	}
	if l.newest {
		if s.newest, err = newestTrusted(dir, l.record); err != nil {
			return s, err
		}
	}
	read := readRecords(dir, names)
	s.catalogue.expect(read)
	for i, r := range read {
		switch {
		case r.err == nil:
			s.catalogue.add(names[i], r.record)
		case !errors.Is(r.err, kernel.ErrNotFound):
			s.corrupt = append(s.corrupt, r.err)
			s.broken[names[i]] = r.err
		}
	}
	return s, nil
}

// readers is how many records are read at the same time: first thing after a boot each waits for the disk.
const readers = 4

type readResult struct {
	record
	err error
}

// readRecords reads records, of which there is one for each run that took snapshots, in the order of the names.
func readRecords(dir *kernel.Dir, names []string) []readResult {
	all := make([]readResult, len(names))
	var next atomic.Int64
	var reading sync.WaitGroup
	for range min(readers, len(names)) {
		reading.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
				all[i].record, all[i].err = readRecord(dir, names[i])
			}
		})
	}
	reading.Wait()
	return all
}

// newestTrusted is the instant of the newest record that was written with a trusted clock, but the one of that name; zero
// when there is none. It reads as few records as it can: one, mostly.
func newestTrusted(dir *kernel.Dir, but string) (time.Time, error) {
	names, err := volume.RecordNames(dir)
	if err != nil {
		return time.Time{}, err
	}
	for _, name := range slices.Backward(names) { // they begin with the stamp
		if name == but {
			continue
		}
		r, err := readRecord(dir, name)
		if err != nil || r.Untrusted != "" || r.TakenBy == adoptedBy || r.TakenBy == receivedBy {
			continue // one that can't be read proves nothing; one of received snapshots tells of another clock
		}
		if stamp, ok := ParseStamp(r.Stamp); ok {
			return stamp, nil
		}
	}
	return time.Time{}, nil
}

func readRecord(dir *kernel.Dir, name string) (record, error) {
	data, err := volume.ReadSmall(dir, name)
	if err != nil {
		return record{}, err
	}
	r, err := decodeRecord(data)
	if err != nil {
		return r, fmt.Errorf("%s/%s: %w", recordsFolder, name, err)
	}
	return r, nil
}
