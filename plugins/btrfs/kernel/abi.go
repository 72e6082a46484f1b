package kernel

import "unsafe"

// The kernel's structures, from linux/btrfs.h. They are laid out without implicit padding, so that their sizes are the
// same on 32 and 64 bit.

type volArgsV2 struct { // btrfs_ioctl_vol_args_v2
	fd      int64
	transid uint64
	flags   uint64
	unused  [4]uint64
	name    [4040]byte // or the id of a subvolume in its first 8 bytes
}

// Flags of volArgsV2, linux/btrfs.h.
const (
	subvolReadOnly = 1 << 1 // BTRFS_SUBVOL_RDONLY
	subvolByID     = 1 << 4 // BTRFS_SUBVOL_SPEC_BY_ID
)

type timespec struct { // btrfs_ioctl_timespec
	sec  uint64
	nsec uint32
	_    uint32
}

type subvolInfoArgs struct { // btrfs_ioctl_get_subvol_info_args
	treeID       uint64
	name         [256]byte
	parentID     uint64
	dirID        uint64
	generation   uint64
	flags        uint64
	uuid         [16]byte
	parentUUID   [16]byte
	receivedUUID [16]byte
	ctransid     uint64
	otransid     uint64
	stransid     uint64
	rtransid     uint64
	ctime        timespec
	otime        timespec
	stime        timespec
	rtime        timespec
	_            [8]uint64
}

type inoLookupArgs struct { // btrfs_ioctl_ino_lookup_args
	treeID   uint64
	objectID uint64
	name     [4080]byte
}

type searchKey struct { // btrfs_ioctl_search_key
	treeID                   uint64
	minObjectID, maxObjectID uint64
	minOffset, maxOffset     uint64
	minTransID, maxTransID   uint64
	minType, maxType         uint32
	nrItems                  uint32
	_                        uint32
	_                        [4]uint64
}

type searchArgsV2 struct { // btrfs_ioctl_search_args_v2, the buffer follows it
	key     searchKey
	bufSize uint64
}

type fsInfoArgs struct { // btrfs_ioctl_fs_info_args
	maxID, numDevices                    uint64
	fsid                                 [16]byte
	nodesize, sectorsize, cloneAlignment uint32
	csumType, csumSize                   uint16
	flags                                uint64
	generation                           uint64
	metadataUUID                         [16]byte
	_                                    [944]byte
}

type devInfoArgs struct { // btrfs_ioctl_dev_info_args
	devid                 uint64
	uuid                  [16]byte
	bytesUsed, totalBytes uint64
	fsid                  [16]byte
	_                     [377]uint64
	path                  [1024]byte
}

type quotaCtlArgs struct { // btrfs_ioctl_quota_ctl_args
	command, status uint64
}

type quotaRescanArgs struct { // btrfs_ioctl_quota_rescan_args
	flags, progress uint64
	_               [6]uint64
}

type qgroupLimitArgs struct { // btrfs_ioctl_qgroup_limit_args
	group                       uint64
	flags                       uint64
	maxReferenced, maxExclusive uint64
	reservedRef, reservedExcl   uint64
}

type featureArgs struct { // btrfs_ioctl_feature_flags
	compat, compatReadOnly, incompat uint64
}

type spaceInfo struct { // btrfs_ioctl_space_info
	flags, total, used uint64
}

type sendArgs struct { // btrfs_ioctl_send_args
	sendFd            int64
	cloneSourcesCount uint64
	cloneSources      uint64 // address of the IDs
	parentRoot        uint64
	flags             uint64
	version           uint32
	_                 [28]byte
}

const sendNoFileData = 1 << 0 // BTRFS_SEND_FLAG_NO_FILE_DATA

const (
	searchArgsSize = 112
	spaceArgsSize  = 16 // btrfs_ioctl_space_args without its rows
)

// Each line fails to compile unless the size is the kernel's.
var (
	_ = [1]int{}[unsafe.Sizeof(volArgsV2{})-4096]
	_ = [1]int{}[unsafe.Sizeof(subvolInfoArgs{})-504]
	_ = [1]int{}[unsafe.Sizeof(inoLookupArgs{})-4096]
	_ = [1]int{}[unsafe.Sizeof(searchKey{})-104]
	_ = [1]int{}[unsafe.Sizeof(searchArgsV2{})-searchArgsSize]
	_ = [1]int{}[unsafe.Sizeof(fsInfoArgs{})-1024]
	_ = [1]int{}[unsafe.Sizeof(devInfoArgs{})-4096]
	_ = [1]int{}[unsafe.Sizeof(spaceInfo{})-24]
	_ = [1]int{}[unsafe.Sizeof(sendArgs{})-72]
	_ = [1]int{}[unsafe.Sizeof(quotaCtlArgs{})-16]
	_ = [1]int{}[unsafe.Sizeof(quotaRescanArgs{})-64]
	_ = [1]int{}[unsafe.Sizeof(qgroupLimitArgs{})-48]
	_ = [1]int{}[unsafe.Sizeof(featureArgs{})-24]
)

// Request numbers are put together as asm-generic/ioctl.h does, which holds on amd64, arm64, arm, 386, riscv64, loong64
// and s390x. On mips and ppc they would be unknown to the kernel (ErrUnsupported).
const (
	iocWrite = 1 << 30
	iocRead  = 2 << 30
	iocMagic = 0x94 << 8 // BTRFS_IOCTL_MAGIC
)

const (
	iocSync          = iocMagic | 8                                 // BTRFS_IOC_SYNC
	iocTreeSearchV2  = iocRead | iocWrite | 112<<16 | iocMagic | 17 // BTRFS_IOC_TREE_SEARCH_V2, kernel 3.16
	iocInoLookup     = iocRead | iocWrite | 4096<<16 | iocMagic | 18
	iocDefaultSubvol = iocWrite | 8<<16 | iocMagic | 19
	iocSpaceInfo     = iocRead | iocWrite | 16<<16 | iocMagic | 20
	iocSnapCreateV2  = iocWrite | 4096<<16 | iocMagic | 23
	iocSubvolCreate  = iocWrite | 4096<<16 | iocMagic | 24 // BTRFS_IOC_SUBVOL_CREATE_V2
	iocStartSync     = iocRead | 8<<16 | iocMagic | 24
	iocGetFlags      = iocRead | 8<<16 | iocMagic | 25  // BTRFS_IOC_SUBVOL_GETFLAGS
	iocSetFlags      = iocWrite | 8<<16 | iocMagic | 26 // BTRFS_IOC_SUBVOL_SETFLAGS
	iocDevInfo       = iocRead | iocWrite | 4096<<16 | iocMagic | 30
	iocFsInfo        = iocRead | 1024<<16 | iocMagic | 31
	iocSend          = iocWrite | 72<<16 | iocMagic | 38
	iocQuotaCtl      = iocRead | iocWrite | 16<<16 | iocMagic | 40
	iocQgroupLimit   = iocRead | 48<<16 | iocMagic | 43
	iocQuotaRescan   = iocWrite | 64<<16 | iocMagic | 44
	iocRescanStatus  = iocRead | 64<<16 | iocMagic | 45  // BTRFS_IOC_QUOTA_RESCAN_STATUS
	iocGetLabel      = iocRead | 256<<16 | iocMagic | 49 // BTRFS_IOC_GET_FSLABEL
	iocGetFeatures   = iocRead | 24<<16 | iocMagic | 57
	iocSubvolInfo    = iocRead | 504<<16 | iocMagic | 60   // BTRFS_IOC_GET_SUBVOL_INFO, kernel 4.18
	iocSnapDestroyV2 = iocWrite | 4096<<16 | iocMagic | 63 // kernel 5.7
)

// TopLevelID is the ID of the top level, BTRFS_FS_TREE_OBJECTID of linux/btrfs_tree.h.
const TopLevelID = 5

// Object ids, key types, inode numbers and flags of linux/btrfs_tree.h.
const (
	treeRoot  = 1 // BTRFS_ROOT_TREE_OBJECTID
	treeChunk = 3 // BTRFS_CHUNK_TREE_OBJECTID
	treeQuota = 8 // BTRFS_QUOTA_TREE_OBJECTID
	treeUUID  = 9 // BTRFS_UUID_TREE_OBJECTID

	objectRootTreeDir = 6              // BTRFS_ROOT_TREE_DIR_OBJECTID
	objectOrphan      = ^uint64(0) - 4 // BTRFS_ORPHAN_OBJECTID
	firstFreeObject   = 256            // BTRFS_FIRST_FREE_OBJECTID
	lastFreeObject    = ^uint64(255)   // BTRFS_LAST_FREE_OBJECTID

	keyInodeRef    = 12  // BTRFS_INODE_REF_KEY
	keyOrphan      = 48  // BTRFS_ORPHAN_ITEM_KEY
	keyDirItem     = 84  // BTRFS_DIR_ITEM_KEY
	keyRootItem    = 132 // BTRFS_ROOT_ITEM_KEY
	keyRootBackref = 144 // BTRFS_ROOT_BACKREF_KEY
	keyChunk       = 228 // BTRFS_CHUNK_ITEM_KEY
	keyQuotaStatus = 240 // BTRFS_QGROUP_STATUS_KEY
	keyQuotaInfo   = 242 // BTRFS_QGROUP_INFO_KEY
	keyQuotaLimit  = 244 // BTRFS_QGROUP_LIMIT_KEY
	keyUUIDSubvol  = 251 // BTRFS_UUID_KEY_SUBVOL

	inodeStub = 2   // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID
	inodeRoot = 256 // BTRFS_FIRST_FREE_OBJECTID: the root directory of every subvolume

	rootReadOnly = 1 // BTRFS_ROOT_SUBVOL_RDONLY

	nameMax = 255 // BTRFS_NAME_LEN
)
