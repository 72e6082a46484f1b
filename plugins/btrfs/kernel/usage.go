package kernel

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Space is the room of one kind of chunks, in bytes as files see it: copies and parity do not count.
type Space struct{ Total, Used uint64 }

// Usage is what `btrfs filesystem usage -b` prints. Raw bytes count copies and parity, each once.
type Usage struct {
	DeviceSize, DeviceAllocated      uint64  // raw bytes
	DeviceUnallocated                uint64  // raw bytes
	DeviceMissing                    uint64  // raw bytes on devices that are missing
	Used                             uint64  // raw bytes
	DataRatio, MetadataRatio         float64 // raw bytes for one byte of data; at least 1
	FreeEstimated                    uint64  // bytes of data that probably fit
	FreeMin                          uint64  // the same if all new chunks had the most redundant profile in use
	GlobalReserve, GlobalReserveUsed uint64
	Data, Metadata, System           Space // Data holds the metadata too if Mixed
	Mixed                            bool  // data and metadata share chunks
}

// Flags of chunks, linux/btrfs_tree.h, BTRFS_BLOCK_GROUP_*; the last is BTRFS_SPACE_INFO_GLOBAL_RSV.
const (
	groupData      = 1 << 0
	groupSystem    = 1 << 1
	groupMetadata  = 1 << 2
	groupRAID1     = 1 << 4
	groupDup       = 1 << 5
	groupRAID10    = 1 << 6
	groupRAID5     = 1 << 7
	groupRAID6     = 1 << 8
	groupRAID1C3   = 1 << 9
	groupRAID1C4   = 1 << 10
	globalReserve  = 1 << 49
	groupKinds     = groupData | groupSystem | groupMetadata
	groupParity    = groupRAID5 | groupRAID6
	minUnallocated = 16 << 20 // btrfs-progs, MIN_UNALOCATED_THRESH: with less, no new chunk is expected
)

// Usage reads how full the filesystem is.
func (f *Filesystem) Usage() (Usage, error) {
	u, err := f.usage()
	if err != nil {
		return Usage{}, fail("read the usage of filesystem", f.uuid.String(), err)
	}
	return u, nil
}

func (f *Filesystem) usage() (Usage, error) {
	var u Usage
	devices, err := f.Devices()
	if err != nil {
		return u, err
	}
	for _, d := range devices {
		u.DeviceSize += d.Size
		if d.Path == "" {
			u.DeviceMissing += d.Size
		}
	}
	spaces, err := f.spaces()
	if err != nil {
		return u, err
	}
	chunks, err := f.parityChunks(spaces)
	if err != nil {
		return u, err
	}
	u.fill(spaces, chunks)
	return u, nil
}

// fill computes as cmds/filesystem-usage.c of btrfs-progs does, with the same roundings.
func (u *Usage) fill(spaces []spaceInfo, parity map[parityChunks]uint64) {
	var raw rawSpace
	worst := 1.0
	for _, s := range spaces {
		if s.flags&globalReserve != 0 {
			u.GlobalReserve, u.GlobalReserveUsed = s.total, s.used
			continue
		}
		switch {
		case s.flags&groupData != 0:
			u.Mixed = u.Mixed || s.flags&groupMetadata != 0
			u.Data.add(s)
		case s.flags&groupMetadata != 0:
			u.Metadata.add(s)
		case s.flags&groupSystem != 0:
			u.System.add(s)
		}
		if s.flags&groupParity == 0 {
			n := copies(s.flags)
			worst = max(worst, float64(n))
			raw.add(s.flags, s.total*n, s.used*n)
			continue
		}
		// What is used of RAID5 and RAID6 is only known in average over the chunks of all widths.
		share := 0.0
		if s.total > 0 {
			share = float64(s.used) / float64(s.total)
		}
		for c, length := range parity {
			if c.flags != s.flags&(groupKinds|groupParity) {
				continue
			}
			worst = max(worst, float64(c.width)/float64(c.width-c.parity()))
			size := length / (c.width - c.parity())
			raw.add(c.flags, size, uint64(float64(size)*share))
		}
	}
	u.DeviceAllocated = raw.data + raw.metadata + raw.system
	u.DeviceUnallocated = u.DeviceSize - min(u.DeviceSize, u.DeviceAllocated)
	u.Used = raw.dataUsed + raw.otherUsed
	u.DataRatio, u.MetadataRatio = quotient(raw.data, u.Data.Total), quotient(raw.metadata, u.Metadata.Total)
	if u.Mixed {
		u.MetadataRatio = u.DataRatio
	}
	u.FreeEstimated = uint64(float64(raw.data-min(raw.data, raw.dataUsed)) / u.DataRatio)
	if u.Mixed {
		u.FreeEstimated -= min(u.FreeEstimated, u.GlobalReserve-min(u.GlobalReserve, u.GlobalReserveUsed))
	}
	u.FreeMin = u.FreeEstimated
	if u.DeviceUnallocated >= minUnallocated {
		u.FreeEstimated += uint64(float64(u.DeviceUnallocated) / u.DataRatio)
		u.FreeMin += uint64(float64(u.DeviceUnallocated) / worst)
	}
}

// rawSpace adds up bytes on the devices.
type rawSpace struct{ data, metadata, system, dataUsed, otherUsed uint64 }

func (r *rawSpace) add(flags, total, used uint64) {
	switch {
	case flags&groupData != 0:
		r.data += total
		r.dataUsed += used
	case flags&groupMetadata != 0:
		r.metadata += total
		r.otherUsed += used
	case flags&groupSystem != 0:
		r.system += total
		r.otherUsed += used
	}
}

func (s *Space) add(row spaceInfo) {
	s.Total += row.total
	s.Used += row.used
}

func quotient(raw, logical uint64) float64 {
	if logical == 0 {
		return 1
	}
	return float64(raw) / float64(logical)
}

// copies is how often a profile without parity stores each byte.
func copies(flags uint64) uint64 {
	switch {
	case flags&groupRAID1C4 != 0:
		return 4
	case flags&groupRAID1C3 != 0:
		return 3
	case flags&(groupRAID1|groupRAID10|groupDup) != 0:
		return 2
	}
	return 1
}

// spaces asks twice, for the number of rows and for the rows, and again if there are more by then.
func (f *Filesystem) spaces() ([]spaceInfo, error) {
	const headWords, rowWords = spaceArgsSize / 8, 3
	room := uint64(0)
	for range 8 {
		words := make([]uint64, headWords+rowWords*room)
		words[0] = room
		if err := ioctlAgain(f.top, iocSpaceInfo, unsafe.Pointer(&words[0])); err != nil {
			return nil, err
		}
		// With no room the second word is the number of rows there are, else that of the rows returned.
		count := words[1]
		if room == 0 {
			room = count + 4
			continue
		}
		if count >= room {
			room *= 2
			continue
		}
		rows := make([]spaceInfo, count)
		for i := range rows {
			w := words[headWords+rowWords*i:]
			rows[i] = spaceInfo{w[0], w[1], w[2]}
		}
		return rows, nil
	}
	return nil, unix.EAGAIN
}

// parityChunks are the chunks of one kind, profile and width, as far as they lie on one device.
type parityChunks struct {
	flags, width, device uint64
}

func (c parityChunks) parity() uint64 {
	if c.flags&groupRAID6 != 0 {
		return 2
	}
	return 1
}

// parityChunks adds up the lengths of the RAID5 and RAID6 chunks. It looks at the chunks only if spaces has such ones.
func (f *Filesystem) parityChunks(spaces []spaceInfo) (map[parityChunks]uint64, error) {
	if !slices.ContainsFunc(spaces, func(s spaceInfo) bool { return s.flags&groupParity != 0 }) {
		return nil, nil
	}
	lengths := map[parityChunks]uint64{}
	k := searchKey{treeID: treeChunk, minObjectID: firstFreeObject, maxObjectID: firstFreeObject, minType: keyChunk, maxType: keyChunk, maxOffset: ^uint64(0)}
	err := search(f.top, k, bufferMany, func(it item) error {
		c, ok := decodeChunk(it.data)
		if !ok {
			return errTruncated
		}
		group := parityChunks{flags: c.flags & (groupKinds | groupParity), width: uint64(len(c.devices))}
		if c.flags&groupParity == 0 || group.width <= group.parity() {
			return nil
		}
		for _, group.device = range c.devices {
			lengths[group] += c.length
		}
		return nil
	})
	return lengths, err
}
