package ages

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// Fields and sizes of btrfs_header, btrfs_item and btrfs_key_ptr.
const (
	headerFSID       = 32
	headerBytenr     = 48
	headerGeneration = 80
	headerOwner      = 88
	headerCount      = 96
	headerLevel      = 100
	headerSize       = 101

	keySize     = 17
	itemSize    = keySize + 8
	pointerSize = keySize + 16

	maxLevel = 7 // BTRFS_MAX_LEVEL - 1
)

// Trees, by the owner in the header of their blocks.
const (
	ownerRoot  = 1 // BTRFS_ROOT_TREE_OBJECTID
	ownerChunk = 3 // BTRFS_CHUNK_TREE_OBJECTID
)

// key is a btrfs_disk_key.
type key struct {
	object uint64
	kind   uint8
	offset uint64
}

func parseKey(raw []byte) key {
	return key{object: le.Uint64(raw), kind: raw[8], offset: le.Uint64(raw[9:])}
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.object, other.object), cmp.Compare(k.kind, other.kind),
		cmp.Compare(k.offset, other.offset))
}

// pointer is all that is known of a block before it is read.
type pointer struct {
	at, generation, owner uint64 // at is logical
	level                 uint8
	first                 *key // nil for the root of a tree
}

// block is one that was verified, and where its copies are.
type block struct {
	data   []byte
	copies []int64
}

// seal makes the checksum right again.
func (b *block) seal() { sum(b.data) }

// verify checks one copy of a block against everything its parent says of it (kernel: btrfs_validate_extent_buffer).
func (p pointer) verify(data []byte, fsid kernel.UUID) error {
	switch {
	case !summed(data):
		return errors.New("its checksum is wrong")
	case !bytes.Equal(data[headerFSID:headerFSID+16], fsid[:]):
		return errors.New("it is of another filesystem")
	case le.Uint64(data[headerBytenr:]) != p.at:
		return fmt.Errorf("it says it is block %d", le.Uint64(data[headerBytenr:]))
	case le.Uint64(data[headerGeneration:]) != p.generation:
		return fmt.Errorf("its generation is %d, expected %d", le.Uint64(data[headerGeneration:]), p.generation)
	case le.Uint64(data[headerOwner:]) != p.owner:
		return fmt.Errorf("it is of tree %d, expected %d", le.Uint64(data[headerOwner:]), p.owner)
	case data[headerLevel] != p.level:
		return fmt.Errorf("its level is %d, expected %d", data[headerLevel], p.level)
	}
	return nil
}

// entries returns the keys of a block in their order, each entry being size bytes long.
func (p pointer) entries(data []byte, size int) ([]key, error) {
	count := le.Uint32(data[headerCount:])
	if uint64(count) > uint64((len(data)-headerSize)/size) {
		return nil, fmt.Errorf("block %d has %d entries, more than fit", p.at, count)
	}
	keys := make([]key, count)
	for i := range keys {
		keys[i] = parseKey(data[headerSize+i*size:])
		if i > 0 && keys[i-1].compare(keys[i]) >= 0 {
			return nil, fmt.Errorf("block %d: the keys of entries %d and %d are out of order", p.at, i-1, i)
		}
	}
	if p.first != nil && (count == 0 || keys[0] != *p.first) {
		return nil, fmt.Errorf("block %d does not begin with the key that its parent says", p.at)
	}
	return keys, nil
}

// item is one of a leaf. Its data is part of the leaf's: what is written to one is in the other.
type item struct {
	key  key
	data []byte
}

func (p pointer) items(leaf []byte) ([]item, error) {
	keys, err := p.entries(leaf, itemSize)
	if err != nil {
		return nil, err
	}
	items := make([]item, len(keys))
	end := uint64(len(leaf)) // item data grows down from the end without gaps (kernel: check_leaf)
	for i, k := range keys {
		head := leaf[headerSize+i*itemSize+keySize:]
		start := headerSize + uint64(le.Uint32(head))
		if start+uint64(le.Uint32(head[4:])) != end || start < uint64(headerSize+len(keys)*itemSize) {
			return nil, fmt.Errorf("block %d: the data of item %d is not where it should be", p.at, i)
		}
		items[i] = item{key: k, data: leaf[start:end:end]}
		end = start
	}
	return items, nil
}

func (p pointer) children(node []byte) ([]pointer, error) {
	keys, err := p.entries(node, pointerSize)
	if err != nil {
		return nil, err
	}
	children := make([]pointer, len(keys))
	for i := range keys {
		raw := node[headerSize+i*pointerSize+keySize:]
		children[i] = pointer{at: le.Uint64(raw), generation: le.Uint64(raw[8:]), owner: p.owner,
			level: p.level - 1, first: &keys[i]}
	}
	return children, nil
}
