package volume

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Hold is why a snapshot must stay.
type Hold struct {
	Reason, Who string
	Until       time.Time // zero: for ever
}

// DecodeHold reads a file of the folder of holds.
func DecodeHold(name string, data []byte) (kernel.UUID, Hold, error) {
	id, err := kernel.ParseUUID(name)
	if err != nil {
		return id, Hold{}, fmt.Errorf("its name is not that of a hold: %w", err)
	}
	if id.String() != name { // two names of one UUID could say different things
		return id, Hold{}, fmt.Errorf("its name is not that of a hold: write it in small letters, %q", id)
	}
	var file struct {
		Reason string  `json:"reason"`
		Who    string  `json:"who"`
		Until  *string `json:"until"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return id, Hold{}, err
	}
	h := Hold{Reason: file.Reason, Who: file.Who}
	if file.Until != nil && *file.Until != "" {
		if h.Until, err = time.Parse(time.RFC3339Nano, *file.Until); err != nil {
			return id, Hold{}, fmt.Errorf("until is not a time: %w", err)
		}
	}
	return id, h, nil
}

// Over reports whether the hold has ended. Without a clock to believe it has not.
func (h Hold) Over(instant time.Time, trusted bool) bool {
	return trusted && !h.Until.IsZero() && instant.After(h.Until)
}

func (h Hold) String() string {
	switch {
	case h.Reason != "":
		return "pinned: " + h.Reason
	case h.Who != "":
		return "pinned by " + h.Who
	}
	return "pinned"
}

// ReadHolds reads every hold. Whatever in the folder can't be understood may hold anything.
func ReadHolds(f *kernel.Filesystem) (map[kernel.UUID]Hold, []error) {
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
	holds := map[kernel.UUID]Hold{}
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
		var h Hold
		if err == nil {
			id, h, err = DecodeHold(e.Name, data)
		}
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("%s/%s: %w", HoldsFolder, e.Name, err))
			continue
		}
		holds[id] = h
	}
	return holds, unreadable
}
