package ages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

var le = binary.LittleEndian

// Where the first superblock is, and how long. Its mirrors need no change: they hold no times.
const (
	superOffset = 64 << 10
	superSize   = 4 << 10
	superMagic  = "_BHRfS_M"
)

// Fields of btrfs_super_block.
const (
	superFSID              = 32
	superBytenr            = 48
	superFlags             = 56
	superMagicAt           = 64
	superGeneration        = 72
	superRoot              = 80
	superChunkRoot         = 88
	superLogRoot           = 96
	superNumDevices        = 136
	superSectorSize        = 144
	superNodeSize          = 148
	superSystemChunksSize  = 160
	superChunkGeneration   = 164
	superIncompat          = 188
	superCsumType          = 196
	superRootLevel         = 198
	superChunkLevel        = 199
	superDevID             = 201 // first field of dev_item
	superMetadataUUID      = 571
	superSystemChunks      = 811
	superSystemChunksLimit = 2048
)

const (
	// knownFlags are BTRFS_HEADER_FLAG_WRITTEN and _RELOC. The others mean an error, a seed that other filesystems are
	// built on, a dump without data or a change of UUID under way.
	knownFlags = 1<<0 | 1<<1

	// knownIncompat are BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF to _RAID1C34 and _SIMPLE_QUOTA. Zoned, extent tree v2,
	// the stripe tree and what is newer may keep superblocks, roots or blocks elsewhere.
	knownIncompat = 1<<12 - 1 | 1<<16

	incompatMetadataUUID = 1 << 10
)

// super is what is used of a superblock.
type super struct {
	fsid         kernel.UUID // as blocks carry it
	device       uint64
	nodeSize     uint32
	root, chunks pointer
	systemChunks []byte
}

func readSuper(r io.ReaderAt) (super, error) {
	raw := make([]byte, superSize)
	if _, err := r.ReadAt(raw, superOffset); err != nil && err != io.EOF {
		return super{}, err
	} else if err == io.EOF || string(raw[superMagicAt:superMagicAt+8]) != superMagic {
		return super{}, errors.New("it has no btrfs superblock")
	}
	return parseSuper(raw)
}

// parseSuper takes superSize bytes with the right magic.
func parseSuper(raw []byte) (super, error) {
	u64 := func(at int) uint64 { return le.Uint64(raw[at:]) }
	if kind := le.Uint16(raw[superCsumType:]); kind != 0 {
		return super{}, fmt.Errorf("its checksums are of type %s; only crc32c is known here", csumName(kind))
	}
	if !summed(raw) {
		return super{}, errors.New("the checksum of the superblock is wrong")
	}
	s := super{
		fsid:     kernel.UUID(raw[superFSID : superFSID+16]),
		device:   u64(superDevID),
		nodeSize: le.Uint32(raw[superNodeSize:]),
		root: pointer{at: u64(superRoot), generation: u64(superGeneration),
			level: raw[superRootLevel], owner: ownerRoot},
		chunks: pointer{at: u64(superChunkRoot), generation: u64(superChunkGeneration),
			level: raw[superChunkLevel], owner: ownerChunk},
	}
	if u64(superIncompat)&incompatMetadataUUID != 0 {
		s.fsid = kernel.UUID(raw[superMetadataUUID : superMetadataUUID+16])
	}
	sector, system := le.Uint32(raw[superSectorSize:]), le.Uint32(raw[superSystemChunksSize:])
	switch {
	case u64(superBytenr) != superOffset:
		return super{}, fmt.Errorf("the superblock says it is at %d", u64(superBytenr))
	case u64(superFlags)&^knownFlags != 0:
		return super{}, fmt.Errorf("the superblock has the unknown flags %#x", u64(superFlags)&^knownFlags)
	case u64(superIncompat)&^knownIncompat != 0:
		return super{}, fmt.Errorf("it has the unknown incompat features %#x", u64(superIncompat)&^knownIncompat)
	case u64(superNumDevices) != 1:
		return super{}, fmt.Errorf("it is one of %d devices; only filesystems of one are known here",
			u64(superNumDevices))
	case u64(superLogRoot) != 0:
		return super{}, errors.New("it was not unmounted cleanly (it has a log tree): mount and unmount it first")
	case !powerOf2(sector) || sector < 512 || sector > 64<<10:
		return super{}, fmt.Errorf("the superblock has the sector size %d", sector)
	case !powerOf2(s.nodeSize) || s.nodeSize < 4<<10 || s.nodeSize > 64<<10 || s.nodeSize < sector:
		return super{}, fmt.Errorf("the superblock has the node size %d", s.nodeSize)
	case system > superSystemChunksLimit:
		return super{}, fmt.Errorf("the superblock has %d bytes of system chunks", system)
	}
	s.systemChunks = raw[superSystemChunks : superSystemChunks+system]
	return s, nil
}

func powerOf2(n uint32) bool { return n != 0 && n&(n-1) == 0 }

func csumName(kind uint16) string {
	if names := []string{"crc32c", "xxhash", "sha256", "blake2"}; int(kind) < len(names) {
		return names[kind]
	}
	return fmt.Sprint(kind)
}

// A superblock and a block both begin with the field for the checksum of what follows it.
const csumSize = 32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func summed(raw []byte) bool { return le.Uint32(raw) == crc32.Checksum(raw[csumSize:], castagnoli) }

func sum(raw []byte) { le.PutUint32(raw, crc32.Checksum(raw[csumSize:], castagnoli)) }
