package upkeep

import (
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// The records of what was done to a filesystem, on the filesystem itself: one small file for each kind of upkeep, replaced as
// a whole.
const (
	recordFolder  = volume.StateFolder + "/upkeep"
	recordVersion = 1

	scrubFile   = "scrub.json"
	balanceFile = "balance.json"
	trimFile    = "trim.json"
	devicesFile = "devices.json"
)

// versioned is the head of every record.
type versioned struct {
	Version int `json:"version"`
}

// readRecord reads a record into r; found is false if there is none. One that can't be read is an error: nobody knows then
// what is due.
func readRecord(f *kernel.Filesystem, name string, r any) (found bool, err error) {
	problem, err := volume.CheckState(f)
	if err != nil {
		return false, volume.Explain("", err)
	}
	if problem != nil {
		return false, problem
	}
	path := recordFolder + "/" + name
	data, err := f.ReadFile(path)
	if errors.Is(err, kernel.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = decodeRecord(data, r)
	}
	if err != nil {
		return false, volume.Refuse("look at the file; if nothing of it can be saved, remove it, and all that it tells counts as never done",
			"the record %q can't be read, so nobody knows what is due: %v", path, err)
	}
	return true, nil
}

func decodeRecord(data []byte, r any) error {
	var head versioned
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	if head.Version != recordVersion {
		return fmt.Errorf("it is of version %d, and this coppice knows version %d", head.Version, recordVersion)
	}
	return json.Unmarshal(data, r)
}

// unwritable says why a record can't be written now that is no fault of the work it is about: it is done all the same, and due
// again the next time. It is "" for any other error.
func unwritable(err error) string {
	switch {
	case errors.Is(err, kernel.ErrReadOnly):
		return "read-only"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "full"
	}
	return ""
}

// writeRecord replaces a record durably.
func writeRecord(f *kernel.Filesystem, name string, r any) error {
	var err error
	// The folders are made without the lock on names, which somebody may hold for long: twice the same is once.
	for range 5 {
		if _, err = volume.MakeState(f); err == nil {
			_, err = f.MkdirAll(recordFolder, 0o700)
		}
		if !errors.Is(err, kernel.ErrExists) && !errors.Is(err, kernel.ErrNotFound) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := volume.WriteRecord(f, recordFolder+"/"+name, r); err != nil {
		return err
	}
	return errors.Join(volume.SyncFolder(f, volume.StateFolder), volume.SyncFolder(f, ""))
}
