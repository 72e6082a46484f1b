package kernel

import (
	"golang.org/x/sys/unix"
)

// BlockGroup is a chunk with what is used of it, as of the last commit.
type BlockGroup struct {
	Start, Length, Used    uint64 // logical address, and bytes without copies
	Data, Metadata, System bool   // more than one where they share chunks
	Copies                 uint64 // how often each byte is stored; 1 for RAID5 and RAID6
}

// BlockGroups returns all of them by ascending Start. Those made or removed meanwhile are in it or not.
func (f *Filesystem) BlockGroups() ([]BlockGroup, error) {
	groups, err := f.blockGroups()
	if err != nil {
		return nil, fail("list the block groups of filesystem", f.uuid.String(), err)
	}
	return groups, nil
}

func (f *Filesystem) blockGroups() ([]BlockGroup, error) {
	var all []BlockGroup
	add := func(it item) error {
		if len(it.data) < 24 { // btrfs_block_group_item: used, chunk_objectid, flags
			return errTruncated
		}
		flags := le64(it.data, 16)
		all = append(all, BlockGroup{
			Start: it.object, Length: it.offset, Used: le64(it.data, 0),
			Data: flags&groupData != 0, Metadata: flags&groupMetadata != 0, System: flags&groupSystem != 0, Copies: copies(flags),
		})
		return nil
	}
	whole := searchKey{treeID: treeBlockGroup, maxObjectID: ^uint64(0), minType: keyBlockGroup, maxType: keyBlockGroup, maxOffset: ^uint64(0)}
	if err := search(f.top, whole, bufferMany, add); err != unix.ENOENT {
		return all, err
	}
	// They lie among millions of extents: the chunks say where.
	var chunks []searchKey
	k := searchKey{treeID: treeChunk, minObjectID: firstFreeObject, maxObjectID: firstFreeObject, minType: keyChunk, maxType: keyChunk, maxOffset: ^uint64(0)}
	err := search(f.top, k, bufferMany, func(it item) error {
		c, ok := decodeChunk(it.data)
		if !ok {
			return errTruncated
		}
		chunks = append(chunks, searchKey{
			treeID: treeExtent, minObjectID: it.offset, maxObjectID: it.offset,
			minType: keyBlockGroup, maxType: keyBlockGroup, minOffset: c.length, maxOffset: c.length,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, k := range chunks {
		if err := search(f.top, k, bufferOne, add); err != nil {
			return nil, err
		}
	}
	return all, nil
}
