package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/runner/check"
)

// imageRecord is where a run in an initrd leaves what was in its image. The folder goes on when the root is mounted.
const imageRecord = volatileState + "/boot-image.json"

// image is what an initrd has of coppice.
type image struct {
	Version string `json:"version"` // of coppice
	Inputs  string `json:"inputs"`  // digest of boot-rollback and its inputs
	Boot    string `json:"boot"`    // id of the boot
}

// imageOf describes this coppice, with a boot-rollback and its inputs.
func imageOf(text found, inputs map[string]any) image {
	values, err := json.Marshal(inputs) // keys are sorted
	if err != nil {
		values = nil // they came from YAML, and can be encoded
	}
	sum := sha256.New()
	sum.Write(text.data)
	sum.Write([]byte{0})
	sum.Write(values)
	return image{Version: version(), Inputs: hex.EncodeToString(sum.Sum(nil)[:16]), Boot: bootID()}
}

// bootID is the id of this boot; "" if nobody knows.
func bootID() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}

// noteImage leaves the record, if this is an initrd and its step. Without it status knows less, and all else is as it is.
func (a *app) noteImage(program *check.Program, text found, inputs map[string]any) {
	if program.Playbook.Name != "boot-rollback" || !boot.InInitrd("/") {
		return
	}
	data, err := json.Marshal(imageOf(text, inputs))
	if err != nil || os.MkdirAll(filepath.Dir(imageRecord), 0o700) != nil {
		return
	}
	_ = os.WriteFile(imageRecord, append(data, '\n'), 0o600)
}

// imageState is what status says of the initrd.
type imageState struct {
	Ran     bool     `json:"ran"`     // the initrd of this boot has run boot-rollback
	Version string   `json:"version"` // the coppice in it; "" if it has not
	Stale   []string `json:"stale"`   // what of it is not as it is installed, in words: the image is to be made anew
}

// imageNow compares the image that this boot had with what is installed.
func imageNow(record string, now image) imageState {
	s := imageState{Stale: []string{}}
	data, err := os.ReadFile(record)
	var had image
	if err != nil || json.Unmarshal(data, &had) != nil || had.Boot != now.Boot || had.Boot == "" {
		return s
	}
	s.Ran, s.Version = true, had.Version
	if had.Version != now.Version {
		s.Stale = append(s.Stale, "the initrd has coppice "+had.Version+", and "+now.Version+" is installed")
	}
	if had.Inputs != now.Inputs {
		s.Stale = append(s.Stale, "the initrd has another boot-rollback or other inputs than this machine has now")
	}
	return s
}
