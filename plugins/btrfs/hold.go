package btrfs

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// hold is why a snapshot must stay.
type hold struct {
	reason, who string
	until       time.Time // zero: for ever
}

// decodeHold reads a file of the folder of holds.
func decodeHold(name string, data []byte) (kernel.UUID, hold, error) {
	id, err := kernel.ParseUUID(name)
	if err != nil {
		return id, hold{}, fmt.Errorf("its name is not that of a hold: %w", err)
	}
	if id.String() != name { // two names of one UUID could say different things
		return id, hold{}, fmt.Errorf("its name is not that of a hold: write it in small letters, %q", id)
	}
	var file struct {
		Reason string  `json:"reason"`
		Who    string  `json:"who"`
		Until  *string `json:"until"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return id, hold{}, err
	}
	h := hold{reason: file.Reason, who: file.Who}
	if file.Until != nil && *file.Until != "" {
		if h.until, err = time.Parse(time.RFC3339Nano, *file.Until); err != nil {
			return id, hold{}, fmt.Errorf("until is not a time: %w", err)
		}
	}
	return id, h, nil
}

// over reports whether the hold has ended. Without a clock to believe it has not.
func (h hold) over(instant time.Time, trusted bool) bool {
	return trusted && !h.until.IsZero() && instant.After(h.until)
}

func (h hold) String() string {
	switch {
	case h.reason != "":
		return "pinned: " + h.reason
	case h.who != "":
		return "pinned by " + h.who
	}
	return "pinned"
}
