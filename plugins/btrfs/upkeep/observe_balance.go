package upkeep

import (
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// balanceFacts is what a decision about a balance rests on.
type balanceFacts struct {
	named
	size, unallocated uint64 // raw bytes
	mixed             bool   // data and metadata share chunks
	groups            []kernel.BlockGroup
	last              *balanceDone
	readOnly          bool
	exclusive         string // the kernel's exclusive operation
	scrubbed          bool   // somebody else scrubs
}

func observeBalance(f *kernel.Filesystem) (balanceFacts, error) {
	n, err := nameOf(f)
	if err != nil {
		return balanceFacts{}, err
	}
	facts := balanceFacts{named: n}
	var record balanceRecord
	found, err := readRecord(f, balanceFile, &record)
	if err != nil {
		return facts, err
	}
	if found {
		facts.last = &record.Last
	}
	return facts, volume.Explain("", facts.observeKernel(f))
}

func (facts *balanceFacts) observeKernel(f *kernel.Filesystem) error {
	usage, err := f.Usage()
	if err != nil {
		return err
	}
	facts.size, facts.unallocated, facts.mixed = usage.DeviceSize, usage.DeviceUnallocated, usage.Mixed
	if facts.groups, err = f.BlockGroups(); err != nil {
		return err
	}
	if facts.readOnly, err = f.ReadOnly(); err != nil {
		return err
	}
	if facts.exclusive, err = f.ExclusiveOperation(); err != nil {
		return err
	}
	devices, err := f.Devices()
	if err != nil {
		return err
	}
	running, err := scrubbed(f, devices)
	facts.scrubbed = len(running) > 0
	return err
}
