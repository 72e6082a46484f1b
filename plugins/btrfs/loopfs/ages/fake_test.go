package ages

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// memory is an image of 384 KiB that has just what this package reads: a superblock, a chunk tree of one leaf, and a
// root tree of a node and two leaves, all DUP. It must not grow.
type memory []byte

func (m memory) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(m).ReadAt(p, at) }

func (m memory) WriteAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > int64(len(m)) {
		return 0, io.ErrShortWrite
	}
	return copy(m[at:], p), nil
}

const (
	fakeNode       = 4 << 10
	fakeSystem     = 1 << 20 // logical addresses of the two chunks
	fakeMetadata   = 2 << 20
	fakeCopies     = 64 << 10 // from the first copy to the second
	fakeSystemAt   = 128 << 10
	fakeMetaAt     = 256 << 10
	fakeGeneration = 7
)

// Where the first copies of the blocks are.
const (
	atChunks = fakeSystemAt
	atRoot   = fakeMetaAt
	atLeaf1  = fakeMetaAt + fakeNode
	atLeaf2  = fakeMetaAt + 2*fakeNode
)

var fakeFSID = kernel.UUID{0xf5}

func fakeUUID(id uint64) kernel.UUID { return kernel.UUID{1: byte(id >> 8), 2: byte(id), 15: 1} }

type fakeItem struct {
	key  key
	data []byte
}

func fake() memory {
	m := make(memory, 384<<10)
	chunk := func(kind, at uint64) []byte {
		raw := make([]byte, chunkSize+2*stripeSize)
		le.PutUint64(raw, fakeCopies)
		le.PutUint64(raw[chunkType:], kind|groupDUP)
		le.PutUint16(raw[chunkNumStripes:], 2)
		for i := range uint64(2) {
			stripe := raw[chunkSize+i*stripeSize:]
			le.PutUint64(stripe, 1)
			le.PutUint64(stripe[8:], at+i*fakeCopies)
		}
		return raw
	}
	system := fakeItem{key{chunkObject, chunkKind, fakeSystem}, chunk(groupSystem, fakeSystemAt)}
	metadata := fakeItem{key{chunkObject, chunkKind, fakeMetadata}, chunk(groupMetadata, fakeMetaAt)}
	m.leaf(atChunks, fakeSystem, ownerChunk, system, metadata)

	m.leaf(atLeaf1, fakeMetadata+fakeNode, ownerRoot, fakeRoot(2), fakeRoot(topLevel), fakeRoot(256))
	m.leaf(atLeaf2, fakeMetadata+2*fakeNode, ownerRoot, fakeRoot(257), fakeRoot(258))
	root := m.header(atRoot, fakeMetadata, ownerRoot, 1, 2)
	for i, first := range []uint64{2, 257} {
		pointer := root[headerSize+i*pointerSize:]
		putKey(pointer, fakeRoot(first).key)
		le.PutUint64(pointer[keySize:], fakeMetadata+uint64(i+1)*fakeNode)
		le.PutUint64(pointer[keySize+8:], fakeGeneration)
	}

	s := m[superOffset:]
	copy(s[superFSID:], fakeFSID[:])
	copy(s[superMagicAt:], superMagic)
	for at, value := range map[int]uint64{superBytenr: superOffset, superGeneration: fakeGeneration, superDevID: 1,
		superRoot: fakeMetadata, superChunkRoot: fakeSystem, superChunkGeneration: fakeGeneration, superNumDevices: 1} {
		le.PutUint64(s[at:], value)
	}
	le.PutUint32(s[superSectorSize:], 4<<10)
	le.PutUint32(s[superNodeSize:], fakeNode)
	s[superRootLevel] = 1
	le.PutUint32(s[superSystemChunksSize:], uint32(keySize+len(system.data)))
	putKey(s[superSystemChunks:], system.key)
	copy(s[superSystemChunks+keySize:], system.data)
	m.seal()
	return m
}

// seal makes all checksums right and all second copies equal to the first.
func (m memory) seal() {
	sum(m[superOffset:][:superSize])
	for _, at := range []int{atChunks, atRoot, atLeaf1, atLeaf2} {
		sum(m[at:][:fakeNode])
		copy(m[at+fakeCopies:], m[at:][:fakeNode])
	}
}

func (m memory) header(at int, logical, owner uint64, level uint8, count int) []byte {
	raw := m[at:][:fakeNode]
	copy(raw[headerFSID:], fakeFSID[:])
	le.PutUint64(raw[headerBytenr:], logical)
	le.PutUint64(raw[headerGeneration:], fakeGeneration)
	le.PutUint64(raw[headerOwner:], owner)
	le.PutUint32(raw[headerCount:], uint32(count))
	raw[headerLevel] = level
	return raw
}

func (m memory) leaf(at int, logical, owner uint64, items ...fakeItem) {
	raw := m.header(at, logical, owner, 0, len(items))
	end := len(raw)
	for i, it := range items {
		end -= len(it.data)
		copy(raw[end:], it.data)
		head := raw[headerSize+i*itemSize:]
		putKey(head, it.key)
		le.PutUint32(head[keySize:], uint32(end-headerSize))
		le.PutUint32(head[keySize+4:], uint32(len(it.data)))
	}
}

func putKey(raw []byte, k key) {
	le.PutUint64(raw, k.object)
	raw[8] = k.kind
	le.PutUint64(raw[9:], k.offset)
}

func fakeRoot(id uint64) fakeItem {
	raw := make([]byte, rootSize)
	le.PutUint64(raw[rootGeneration:], 3)
	le.PutUint64(raw[rootGenerationV2:], 3)
	le.PutUint32(raw[rootRefs:], 1)
	uuid := fakeUUID(id)
	copy(raw[rootUUID:], uuid[:])
	putTime(raw[rootOTime:], time.Unix(1_700_000_000, 5))
	putTime(raw[rootCTime:], time.Unix(1_700_000_001, 6))
	return fakeItem{key{object: id, kind: rootKind}, raw}
}

// list prints the times of all subvolumes, in order.
func (m memory) list() (lines []string, err error) {
	v, err := openVolume(m)
	if err != nil {
		return nil, err
	}
	err = v.walk(v.super.root, func(_ *block, items []item) error {
		for _, it := range items {
			if uuid, ok := subvolume(it); ok {
				otime, ctime := it.data[rootOTime:], it.data[rootCTime:]
				lines = append(lines, fmt.Sprintf("%s %d.%09d %d.%09d", uuid, le.Uint64(otime),
					le.Uint32(otime[8:]), le.Uint64(ctime), le.Uint32(ctime[8:])))
			}
		}
		return nil
	})
	return lines, err
}

// set is setFacts for an image in memory.
func (m memory) set(times map[kernel.UUID]Facts) error {
	before := slices.Clone(m)
	v, err := openVolume(m)
	if err != nil {
		return err
	}
	patches, err := v.plan(times)
	if !bytes.Equal(before, m) {
		panic("planning wrote to the image")
	}
	if err != nil {
		return err
	}
	return write(m, patches)
}
