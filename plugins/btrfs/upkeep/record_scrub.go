package upkeep

import (
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// scrubRecord is what is remembered of scrubs.
type scrubRecord struct {
	versioned
	Last *scrubDone `json:"last,omitempty"` // the last one that came to its end
	Open *scrubOpen `json:"open,omitempty"` // one that was begun and has not come to its end
}

// scrubDone is a scrub that is finished, whatever it has found.
type scrubDone struct {
	Run      string      `json:"run"`
	Step     string      `json:"step"`
	Started  time.Time   `json:"started"`
	Finished time.Time   `json:"finished"`
	Seconds  float64     `json:"seconds"` // that it was at work
	ReadOnly bool        `json:"read_only"`
	Counts   scrubCounts `json:"counts"`
}

// scrubOpen is a scrub that is under way, was stopped, or ended with the machine; the kernel knows which. Positions are
// as of Updated.
type scrubOpen struct {
	Run      string        `json:"run"`
	Started  time.Time     `json:"started"`
	Updated  time.Time     `json:"updated"`
	Seconds  float64       `json:"seconds"`
	ReadOnly bool          `json:"read_only"`
	Devices  []scrubDevice `json:"devices"`
}

type scrubDevice struct {
	UUID     kernel.UUID `json:"uuid"`
	ID       uint64      `json:"id"`
	Position uint64      `json:"position"` // where to go on, in bytes on the device
	Through  bool        `json:"through"`
	Limit    *uint64     `json:"limit,omitempty"` // the speed limit that is to be restored
	Counts   scrubCounts `json:"counts"`
}

// scrubCounts are the sums of all parts of a scrub.
type scrubCounts struct {
	Bytes         uint64 `json:"bytes"`
	Read          uint64 `json:"read_errors"`
	Checksum      uint64 `json:"checksum_errors"`
	Verify        uint64 `json:"verify_errors"`
	Super         uint64 `json:"super_errors"`
	Memory        uint64 `json:"memory_errors"`
	Unverified    uint64 `json:"unverified_errors"`
	Corrected     uint64 `json:"corrected"`
	Uncorrectable uint64 `json:"uncorrectable"`
}

func countsOf(c kernel.ScrubCounters) scrubCounts {
	return scrubCounts{
		Bytes: c.DataBytes + c.TreeBytes, Read: c.ReadErrors, Checksum: c.ChecksumErrors, Verify: c.VerifyErrors, Super: c.SuperErrors,
		Memory: c.MemoryErrors, Unverified: c.Unverified, Corrected: c.Corrected, Uncorrectable: c.Uncorrectable,
	}
}

func (a scrubCounts) plus(b scrubCounts) scrubCounts {
	return scrubCounts{
		Bytes: a.Bytes + b.Bytes, Read: a.Read + b.Read, Checksum: a.Checksum + b.Checksum, Verify: a.Verify + b.Verify,
		Super: a.Super + b.Super, Memory: a.Memory + b.Memory, Unverified: a.Unverified + b.Unverified,
		Corrected: a.Corrected + b.Corrected, Uncorrectable: a.Uncorrectable + b.Uncorrectable,
	}
}

// counts of all devices.
func (o scrubOpen) counts() (sum scrubCounts) {
	for _, d := range o.Devices {
		sum = sum.plus(d.Counts)
	}
	return sum
}

// through reports whether nothing is left to do.
func (o scrubOpen) through() bool {
	for _, d := range o.Devices {
		if !d.Through {
			return false
		}
	}
	return true
}
