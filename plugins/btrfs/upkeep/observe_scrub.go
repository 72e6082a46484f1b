package upkeep

import (
	"errors"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// scrubFacts is what a decision about a scrub rests on.
type scrubFacts struct {
	named
	devices        []kernel.Device
	readOnly       bool // the filesystem is
	used           uint64
	record         scrubRecord
	running        []uint64 // IDs of devices that are being scrubbed
	exclusive      string   // the kernel's exclusive operation, "" if there is none
	unsynchronised string   // what is wrong with the clock, "" if nothing is
	canLimit       bool     // the speed of a scrub
}

func observeScrub(h volume.Host, f *kernel.Filesystem) (scrubFacts, error) {
	n, err := nameOf(f)
	if err != nil {
		return scrubFacts{}, err
	}
	facts := scrubFacts{named: n}
	if _, err := readRecord(f, scrubFile, &facts.record); err != nil {
		return facts, err
	}
	if facts.unsynchronised, err = h.Clock(); err != nil {
		return facts, volume.Explain("", err)
	}
	return facts, volume.Explain("", facts.observeKernel(f))
}

func (facts *scrubFacts) observeKernel(f *kernel.Filesystem) error {
	var err error
	if facts.devices, err = f.Devices(); err != nil {
		return err
	}
	if facts.readOnly, err = f.ReadOnly(); err != nil {
		return err
	}
	usage, err := f.Usage()
	if err != nil {
		return err
	}
	facts.used = usage.Used
	if facts.running, err = scrubbed(f, facts.devices); err != nil {
		return err
	}
	if facts.exclusive, err = f.ExclusiveOperation(); err != nil {
		return err
	}
	for _, d := range facts.devices {
		_, err := f.ScrubLimit(d.ID)
		facts.canLimit = facts.canLimit || err == nil
		if err != nil && !errors.Is(err, kernel.ErrUnsupported) {
			return err
		}
	}
	return nil
}

// scrubbed returns the IDs of the devices that somebody is scrubbing now.
func scrubbed(f *kernel.Filesystem, devices []kernel.Device) ([]uint64, error) {
	var ids []uint64
	for _, d := range devices {
		_, running, err := f.ScrubProgress(d.ID)
		if err != nil {
			return nil, err
		}
		if running {
			ids = append(ids, d.ID)
		}
	}
	return ids, nil
}
