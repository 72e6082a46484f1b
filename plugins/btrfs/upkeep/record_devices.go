package upkeep

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// devicesRecord is which errors of the devices somebody knows of.
type devicesRecord struct {
	versioned
	Devices map[string]knownErrors `json:"devices"` // by the device's UUID
}

// knownErrors are counters that are no news.
type knownErrors struct {
	ID     uint64    `json:"id"`
	Since  time.Time `json:"since"`
	Counts errorSet  `json:"counts"`
}

// errorSet are the kernel's counters of a device.
type errorSet struct {
	Write      uint64 `json:"write"`
	Read       uint64 `json:"read"`
	Flush      uint64 `json:"flush"`
	Corruption uint64 `json:"corruption"`
	Generation uint64 `json:"generation"`
}

func errorsOf(e kernel.DeviceErrors) errorSet {
	return errorSet{Write: e.Write, Read: e.Read, Flush: e.Flush, Corruption: e.Corruption, Generation: e.Generation}
}

// errorKind is one of the counters.
type errorKind struct {
	name       string
	now, known uint64
}

func (now errorSet) kinds(known errorSet) []errorKind {
	return []errorKind{
		{"write", now.Write, known.Write}, {"read", now.Read, known.Read}, {"flush", now.Flush, known.Flush},
		{"corruption", now.Corruption, known.Corruption}, {"generation", now.Generation, known.Generation},
	}
}

// rises are the counters that are above what is known, in words.
func (now errorSet) rises(known errorSet) []string {
	all := []string{}
	for _, k := range now.kinds(known) {
		if k.now > k.known {
			all = append(all, fmt.Sprintf("%s %d → %d", k.name, k.known, k.now))
		}
	}
	return all
}

// lowered is what is still known where counters were reset: a counter that is below what is known starts at 0 again.
func (known errorSet) lowered(now errorSet) errorSet {
	reset := false
	for _, k := range now.kinds(known) {
		reset = reset || k.now < k.known
	}
	if reset { // the kernel resets all of a device at once
		return errorSet{}
	}
	return known
}
