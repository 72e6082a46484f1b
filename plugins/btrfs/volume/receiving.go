package volume

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// ReceivingFolder has a claim for each subvolume that is being received.
const ReceivingFolder = StateFolder + "/receiving"

// ReceivePrefix begins the names of subvolumes that are being received.
const ReceivePrefix = kernel.TempPrefix + "receive-"

// Receiving claims a subvolume that is being received.
type Receiving struct {
	Folder string      `json:"folder"` // path from the top level
	Temp   string      `json:"temp"`   // name in it
	Source string      `json:"source"`
	Stamp  string      `json:"stamp"`
	Origin kernel.UUID `json:"origin"`
	Run    string      `json:"run"`
}

// Path is the subvolume's, from the top level.
func (r Receiving) Path() string { return r.Folder + "/" + r.Temp }

// DecodeReceiving refuses what a receiver can't have written.
func DecodeReceiving(data []byte) (Receiving, error) {
	var r Receiving
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	clean, bad := CleanPath("", r.Folder)
	switch {
	case bad != nil:
		return r, bad
	case clean != r.Folder || clean == "":
		return r, fmt.Errorf("the folder is %q", r.Folder)
	case !strings.HasPrefix(r.Temp, ReceivePrefix) || strings.Contains(r.Temp, "/"):
		return r, fmt.Errorf("the temporary name is %q", r.Temp)
	}
	return r, nil
}

// BeingReceived are the paths of the subvolumes that somebody receives into at this moment.
func BeingReceived(f *kernel.Filesystem) (map[string]bool, error) {
	all, err := ReadClaims(f, ReceivingFolder)
	if err != nil {
		return nil, err
	}
	busy := map[string]bool{}
	for _, c := range all {
		if r, err := DecodeReceiving(c.Data); err == nil && c.Busy {
			busy[r.Path()] = true
		}
	}
	return busy, nil
}
