package recovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// replacedFolder has a record of each replacement, named by the run's stamp.
const replacedFolder = volume.StateFolder + "/replaced"

// replaced is a record: what a run set out to put in the place of what. It is written before anything else is done, and not
// changed afterwards: where the three subvolumes are tells how far the run came.
type replaced struct {
	Run      string      `json:"run"`
	At       time.Time   `json:"at"`       // the run's instant: when the old one was archived
	Path     string      `json:"path"`     // the place
	Old      kernel.UUID `json:"old"`      // what was there
	From     kernel.UUID `json:"from"`     // what a copy of is put there
	Archived string      `json:"archived"` // where the copy is made, and the old one is after the exchange
}

// decodeReplaced reads a record.
func decodeReplaced(data []byte) (replaced, error) {
	var r replaced
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	for _, p := range []string{r.Path, r.Archived} {
		if clean, bad := volume.CleanPath("", p); bad != nil || clean != p || clean == "" {
			return r, fmt.Errorf("it has the path %q", p)
		}
	}
	if r.Old.IsZero() || r.From.IsZero() {
		return r, errors.New("a UUID is missing")
	}
	return r, nil
}

// readReplaced reads all records, the oldest first. One that can't be read is in the errors.
func readReplaced(f *kernel.Filesystem) (all []replaced, unreadable []error) {
	dir, err := f.OpenDir(replacedFolder)
	if errors.Is(err, kernel.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, []error{err}
	}
	defer dir.Close()
	names, err := volume.RecordNames(dir) // they begin with the stamp
	if err != nil {
		return nil, []error{err}
	}
	for _, name := range names {
		data, err := volume.ReadSmall(dir, name)
		var r replaced
		if err == nil {
			r, err = decodeReplaced(data)
		}
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("%s/%s: %w", replacedFolder, name, err))
			continue
		}
		all = append(all, r)
	}
	return all, unreadable
}

// write makes the record durable. Its folder exists.
func (r replaced) write(f *kernel.Filesystem, stamp string) error {
	return volume.WriteRecord(f, replacedFolder+"/"+stamp+volume.RecordSuffix, r)
}
