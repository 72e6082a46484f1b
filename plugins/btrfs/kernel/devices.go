package kernel

import (
	"fmt"
	"unsafe"

	"github.com/dennwc/btrfs"
)

// Device is one of the block devices of a filesystem.
type Device struct {
	ID        uint64
	UUID      UUID
	Path      string // "" if the device is missing
	Size      uint64 // in bytes
	Allocated uint64 // in bytes: given to chunks
}

// DeviceErrors are the counters that the kernel keeps of one device, since it was added or they were reset.
type DeviceErrors struct {
	Write, Read, Flush     uint64 // failed requests
	Corruption, Generation uint64 // blocks with a wrong checksum or content, and blocks that were not written
}

// Devices returns all devices by ascending ID, missing ones included.
func (f *Filesystem) Devices() ([]Device, error) {
	info, err := fsInfo(f.top)
	if err != nil {
		return nil, fail("list the devices of filesystem", f.uuid.String(), err)
	}
	all, err := devicesOf(f.top, info.maxID)
	if err != nil {
		return nil, fail("list the devices of filesystem", f.uuid.String(), err)
	}
	return all, nil
}

// DeviceErrors returns the error counters of the device with that ID, as Devices has it.
func (f *Filesystem) DeviceErrors(id uint64) (DeviceErrors, error) {
	const op = "read the error counters of device"
	open, err := btrfs.Open(fmt.Sprintf("/proc/self/fd/%d", f.top.Fd()), true)
	if err != nil {
		return DeviceErrors{}, fail(op, fmt.Sprint(id), err)
	}
	defer open.Close()
	s, err := open.GetDevStats(id)
	if err != nil {
		return DeviceErrors{}, fail(op, fmt.Sprint(id), err)
	}
	return DeviceErrors{Write: s.WriteErrs, Read: s.ReadErrs, Flush: s.FlushErrs, Corruption: s.CorruptionErrs, Generation: s.GenerationErrs}, nil
}

// ResetDeviceErrors sets the error counters of a device to zero.
func (f *Filesystem) ResetDeviceErrors(id uint64) error {
	args := &devStatsArgs{devid: id, items: 5, flags: devStatsReset}
	if err := ioctlAgain(f.top, iocDevStats, unsafe.Pointer(args)); err != nil {
		return fail("reset the error counters of device", fmt.Sprint(id), err)
	}
	return nil
}
