package kernel

import "unsafe"

// The kernel's structures for looking after a filesystem as a whole, from linux/btrfs.h; see abi.go.

type scrubCounters struct { // btrfs_scrub_progress
	dataExtents, treeExtents uint64
	dataBytes, treeBytes     uint64
	readErrors               uint64
	csumErrors               uint64
	verifyErrors             uint64
	noCsum                   uint64
	csumDiscards             uint64
	superErrors              uint64
	mallocErrors             uint64
	uncorrectable            uint64
	corrected                uint64
	lastPhysical             uint64
	unverified               uint64
}

type scrubArgs struct { // btrfs_ioctl_scrub_args
	devid, start, end, flags uint64
	progress                 scrubCounters
	_                        [109]uint64
}

type balanceFilter struct { // btrfs_balance_args, packed
	profiles     uint64
	usage        uint64
	devid        uint64
	pstart, pend uint64
	vstart, vend uint64
	target       uint64
	flags        uint64
	limitMin     uint32
	limitMax     uint32
	_            uint64 // stripes_min, stripes_max
	_            [6]uint64
}

type balanceArgs struct { // btrfs_ioctl_balance_args
	flags, state                    uint64
	data, meta, sys                 balanceFilter
	expected, considered, completed uint64
	_                               [72]uint64
}

type devStatsArgs struct { // btrfs_ioctl_get_dev_stats
	devid, items, flags uint64
	values              [5]uint64
	_                   [121]uint64
}

type trimRange struct{ start, length, minLength uint64 } // fstrim_range of linux/fs.h

type defragArgs struct { // btrfs_ioctl_defrag_range_args
	start, length, flags uint64
	extentThresh         uint32
	compressType         uint32
	_                    [4]uint32
}

type fiemapExtent struct { // linux/fiemap.h
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

const fiemapRows = 256

type fiemapArgs struct { // struct fiemap with room for extents
	start, length        uint64
	flags, mapped, count uint32
	_                    uint32
	extents              [fiemapRows]fiemapExtent
}

// Each line fails to compile unless the size is the kernel's.
var (
	_ = [1]int{}[unsafe.Sizeof(scrubArgs{})-1024]
	_ = [1]int{}[unsafe.Sizeof(balanceFilter{})-136]
	_ = [1]int{}[unsafe.Sizeof(balanceArgs{})-1024]
	_ = [1]int{}[unsafe.Sizeof(devStatsArgs{})-1032]
	_ = [1]int{}[unsafe.Sizeof(trimRange{})-24]
	_ = [1]int{}[unsafe.Sizeof(defragArgs{})-48]
	_ = [1]int{}[unsafe.Sizeof(fiemapArgs{})-32-56*fiemapRows]
)

const (
	iocDefragRange     = iocWrite | 48<<16 | iocMagic | 16             // BTRFS_IOC_DEFRAG_RANGE
	iocScrub           = iocRead | iocWrite | 1024<<16 | iocMagic | 27 // BTRFS_IOC_SCRUB
	iocScrubCancel     = iocMagic | 28
	iocScrubProgress   = iocRead | iocWrite | 1024<<16 | iocMagic | 29
	iocBalance         = iocRead | iocWrite | 1024<<16 | iocMagic | 32 // BTRFS_IOC_BALANCE_V2
	iocBalanceControl  = iocWrite | 4<<16 | iocMagic | 33              // BTRFS_IOC_BALANCE_CTL, the argument is by value
	iocBalanceProgress = iocRead | 1024<<16 | iocMagic | 34
	iocDevStats        = iocRead | iocWrite | 1032<<16 | iocMagic | 52 // BTRFS_IOC_GET_DEV_STATS

	iocTrim   = iocRead | iocWrite | 24<<16 | 'X'<<8 | 121 // FITRIM of linux/fs.h
	iocFiemap = iocRead | iocWrite | 32<<16 | 'f'<<8 | 11  // FS_IOC_FIEMAP
)

// Flags of linux/btrfs.h and linux/fiemap.h.
const (
	scrubReadOnly = 1 // BTRFS_SCRUB_READONLY

	balanceData     = 1 << 0 // BTRFS_BALANCE_DATA
	balanceMetadata = 1 << 2
	balanceResume   = 1 << 4

	filterUsage  = 1 << 1 // BTRFS_BALANCE_ARGS_USAGE
	filterVRange = 1 << 4
	filterLimit  = 1 << 6 // BTRFS_BALANCE_ARGS_LIMIT_RANGE, kernel 4.4

	balanceRunning = 1 << 0 // BTRFS_BALANCE_STATE_RUNNING
	balancePause   = 1      // BTRFS_BALANCE_CTL_PAUSE
	balanceCancel  = 2

	devStatsReset = 1 // BTRFS_DEV_STATS_RESET

	defragCompress = 1 // BTRFS_DEFRAG_RANGE_COMPRESS
	defragStartIO  = 2

	fiemapSync         = 1
	fiemapExtentLast   = 0x1
	fiemapExtentInline = 0x200
	fiemapExtentShared = 0x2000
)

// The tree of block groups, where there is one (compat_ro feature block-group-tree, kernel 6.1), the tree that has them
// otherwise, and the type of their items; linux/btrfs_tree.h.
const (
	treeExtent     = 2
	treeBlockGroup = 11
	keyBlockGroup  = 192
)
