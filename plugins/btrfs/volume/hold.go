package volume

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Hold is one reason for which a snapshot must stay.
type Hold struct {
	Reason string    `json:"reason,omitempty"`
	Who    string    `json:"who,omitempty"` // each holder has at most one hold on a snapshot
	Until  time.Time `json:"until,omitzero"`
}

// Holds are all on one snapshot. Their file is named by the snapshot's UUID and has one of them as a JSON object, or several
// as a list of objects.
type Holds []Hold

// DecodeHolds reads a file of the folder of holds. An empty list is an error: it may be half of something.
func DecodeHolds(name string, data []byte) (kernel.UUID, Holds, error) {
	id, err := kernel.ParseUUID(name)
	if err != nil {
		return id, nil, fmt.Errorf("its name is not that of a hold: %w", err)
	}
	if id.String() != name { // two names of one UUID could say different things
		return id, nil, fmt.Errorf("its name is not that of a hold: write it in small letters, %q", id)
	}
	type file struct {
		Reason string  `json:"reason"`
		Who    string  `json:"who"`
		Until  *string `json:"until"`
	}
	var files []file
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		err = json.Unmarshal(data, &files)
	} else {
		files = make([]file, 1)
		err = json.Unmarshal(data, &files[0])
	}
	if err == nil && len(files) == 0 {
		err = errors.New("there is no hold in it")
	}
	if err != nil {
		return id, nil, err
	}
	holds := make(Holds, len(files))
	for i, f := range files {
		holds[i] = Hold{Reason: f.Reason, Who: f.Who}
		if f.Until != nil && *f.Until != "" {
			if holds[i].Until, err = time.Parse(time.RFC3339Nano, *f.Until); err != nil {
				return id, nil, fmt.Errorf("until is not a time: %w", err)
			}
		}
	}
	return id, holds, nil
}

// With returns the holds with h in the place of that of the same holder.
func (all Holds) With(h Hold) Holds {
	return append(all.Without(h.Who), h)
}

// Without returns the holds but that of a holder.
func (all Holds) Without(who string) Holds {
	return slices.DeleteFunc(slices.Clone(all), func(h Hold) bool { return h.Who == who })
}

// Of returns the hold of a holder.
func (all Holds) Of(who string) (Hold, bool) {
	i := slices.IndexFunc(all, func(h Hold) bool { return h.Who == who })
	if i < 0 {
		return Hold{}, false
	}
	return all[i], true
}

// Over reports whether all have ended. Without a clock to believe none has.
func (all Holds) Over(instant time.Time, trusted bool) bool {
	for _, h := range all {
		if !trusted || h.Until.IsZero() || !instant.After(h.Until) {
			return false
		}
	}
	return true
}

func (all Holds) String() string {
	words := make([]string, len(all))
	for i, h := range all {
		switch {
		case h.Reason != "":
			words[i] = "pinned: " + h.Reason
		case h.Who != "":
			words[i] = "pinned by " + h.Who
		default:
			words[i] = "pinned"
		}
	}
	return strings.Join(words, ", ")
}

// WriteHolds replaces the holds on a snapshot, durably; none removes their file. The caller holds the lock on names, has asked
// CheckState and made the state folder with MakeState, and does not write what it could not read.
func WriteHolds(f *kernel.Filesystem, id kernel.UUID, all Holds) error {
	path := HoldsFolder + "/" + id.String()
	if len(all) == 0 {
		if err := f.Remove(path); err != nil && !errors.Is(err, kernel.ErrNotFound) {
			return err
		}
		return SyncFolder(f, HoldsFolder)
	}
	if _, err := f.MkdirAll(HoldsFolder, 0o700); err != nil {
		return err
	}
	var content any = all
	if len(all) == 1 {
		content = all[0]
	}
	return WriteRecord(f, path, content)
}

// ReadHoldsOf reads the holds on one snapshot; none without a file.
func ReadHoldsOf(f *kernel.Filesystem, id kernel.UUID) (Holds, error) {
	data, err := f.ReadFile(HoldsFolder + "/" + id.String())
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, all, err := DecodeHolds(id.String(), data)
	return all, err
}

// ReadHolds reads every hold. Whatever in the folder can't be understood may hold anything.
func ReadHolds(f *kernel.Filesystem) (map[kernel.UUID]Holds, []error) {
	dir, err := f.OpenDir(HoldsFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{err}
	}
	defer dir.Close()
	entries, err := dir.ReadEntries()
	if err != nil {
		return nil, []error{err}
	}
	holds := map[kernel.UUID]Holds{}
	var unreadable []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name, kernel.TempPrefix) {
			continue
		}
		data, err := dir.ReadFile(e.Name)
		if errors.Is(err, kernel.ErrNotFound) {
			continue // released meanwhile
		}
		var id kernel.UUID
		var h Holds
		if err == nil {
			id, h, err = DecodeHolds(e.Name, data)
		}
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("%s/%s: %w", HoldsFolder, e.Name, err))
			continue
		}
		holds[id] = h
	}
	return holds, unreadable
}
