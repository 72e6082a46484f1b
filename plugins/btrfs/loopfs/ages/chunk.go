package ages

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Fields and sizes of btrfs_chunk and btrfs_stripe, and the key of a chunk's item.
const (
	chunkLength     = 0
	chunkType       = 24
	chunkNumStripes = 44
	chunkSize       = 48
	stripeSize      = 32 // devid, offset, UUID of the device

	chunkObject = 256 // BTRFS_FIRST_CHUNK_TREE_OBJECTID
	chunkKind   = 228 // BTRFS_CHUNK_ITEM_KEY
)

// Bits of a chunk's type.
const (
	groupSystem   = 1 << 1
	groupMetadata = 1 << 2
	groupDUP      = 1 << 5
	groupProfiles = 0xff << 3 // RAID0 to RAID1C4
)

// chunk maps a logical range to one physical offset for each copy.
type chunk struct {
	logical, length uint64
	copies          []uint64
}

// chunkBytes returns how many bytes of raw the chunk takes.
func chunkBytes(raw []byte) (int, error) {
	if len(raw) < chunkSize {
		return 0, errors.New("it is too short")
	}
	stripes := int(le.Uint16(raw[chunkNumStripes:]))
	if stripes == 0 || len(raw) < chunkSize+stripes*stripeSize {
		return 0, fmt.Errorf("%d stripes do not fit it", stripes)
	}
	return chunkSize + stripes*stripeSize, nil
}

// parseChunk takes a chunk that chunkBytes accepted. It reports false for one that holds no blocks.
func parseChunk(logical uint64, raw []byte, device uint64) (chunk, bool, error) {
	c := chunk{logical: logical, length: le.Uint64(raw[chunkLength:])}
	kind, stripes := le.Uint64(raw[chunkType:]), int(le.Uint16(raw[chunkNumStripes:]))
	if kind&(groupSystem|groupMetadata) == 0 {
		return c, false, nil
	}
	profile := kind & groupProfiles
	if single, dup := profile == 0 && stripes == 1, profile == groupDUP && stripes == 2; !single && !dup {
		return c, false, fmt.Errorf("its profile is %#x with %d stripes; only single and DUP are known here",
			profile, stripes)
	}
	if c.length == 0 || c.length > math.MaxInt64 || logical > math.MaxInt64 {
		return c, false, fmt.Errorf("its length is %d", c.length)
	}
	for i := range stripes {
		stripe := raw[chunkSize+i*stripeSize:]
		if le.Uint64(stripe) != device {
			return c, false, fmt.Errorf("a copy is on device %d, expected %d", le.Uint64(stripe), device)
		}
		offset := le.Uint64(stripe[8:])
		if offset > math.MaxInt64-c.length {
			return c, false, fmt.Errorf("a copy is at %d", offset)
		}
		c.copies = append(c.copies, offset)
	}
	return c, true, nil
}

// systemChunks reads the superblock's sys_chunk_array: keys, each followed by its chunk.
func systemChunks(raw []byte, device uint64) (chunks []chunk, err error) {
	for len(raw) > 0 {
		if len(raw) < keySize {
			return nil, errors.New("the superblock's system chunks end within a key")
		}
		k := parseKey(raw)
		raw = raw[keySize:]
		if k.object != chunkObject || k.kind != chunkKind {
			return nil, fmt.Errorf("the superblock's system chunks have a key of type %d", k.kind)
		}
		size, err := chunkBytes(raw)
		if err != nil {
			return nil, fmt.Errorf("system chunk %d of the superblock: %w", k.offset, err)
		}
		c, holdsBlocks, err := parseChunk(k.offset, raw[:size], device)
		if err == nil && !holdsBlocks {
			err = errors.New("it is of neither system nor metadata")
		}
		if err != nil {
			return nil, fmt.Errorf("system chunk %d of the superblock: %w", k.offset, err)
		}
		chunks = append(chunks, c)
		raw = raw[size:]
	}
	return chunks, nil
}

// physical returns where the copies of size bytes at logical are.
func physical(chunks []chunk, logical uint64, size uint32) ([]int64, error) {
	i := slices.IndexFunc(chunks, func(c chunk) bool { return c.logical <= logical && logical-c.logical < c.length })
	if i < 0 || chunks[i].length-(logical-chunks[i].logical) < uint64(size) {
		return nil, fmt.Errorf("block %d is in no chunk", logical)
	}
	var copies []int64
	for _, start := range chunks[i].copies {
		copies = append(copies, int64(start+(logical-chunks[i].logical)))
	}
	return copies, nil
}
