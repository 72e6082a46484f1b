package kernel

// Fields and types of linux/btrfs_tree.h that Changed reads.
const (
	keyInodeItem   = 1  // BTRFS_INODE_ITEM_KEY
	keyInodeExtref = 13 // BTRFS_INODE_EXTREF_KEY

	inodeItemSize = 160
)

// Changed returns the inodes of a subvolume that were made or changed in any way after a transaction, and all directories
// on the way to them. It reads only the parts of the tree that were written since. A directory that is not in it has
// nothing new below it, and nothing was removed there. The caller calls Sync before: what is not committed is not seen.
func (f *Filesystem) Changed(id, since uint64) (map[uint64]bool, error) {
	found := map[uint64]bool{}
	var fresh []uint64
	k := searchKey{
		treeID: id, minObjectID: inodeRoot, maxObjectID: lastFreeObject, minType: keyInodeItem, maxType: keyInodeItem,
		maxOffset: ^uint64(0), minTransID: since + 1,
	}
	err := search(f.top, k, bufferMany, func(it item) error {
		if len(it.data) < inodeItemSize {
			return errTruncated
		}
		if le64(it.data, 8) > since && !found[it.object] { // transid
			found[it.object] = true
			fresh = append(fresh, it.object)
		}
		return nil
	})
	for len(fresh) > 0 && err == nil {
		inode := fresh[len(fresh)-1]
		fresh = fresh[:len(fresh)-1]
		if inode == inodeRoot {
			continue
		}
		err = search(f.top, keyRange(id, inode, keyInodeRef, keyInodeExtref), bufferOne, func(it item) error {
			parents := []uint64{it.offset}
			if it.kind == keyInodeExtref {
				var ok bool
				if parents, ok = extrefParents(it.data); !ok {
					return errTruncated
				}
			}
			for _, p := range parents {
				if !found[p] {
					found[p] = true
					fresh = append(fresh, p)
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fail("find what has changed in the subvolume", quoteID(id), err)
	}
	return found, nil
}

// extrefParents reads btrfs_inode_extrefs: the parent, an index, the length of the name and the name.
func extrefParents(b []byte) (parents []uint64, ok bool) {
	const header = 18
	for len(b) > 0 {
		if len(b) < header {
			return nil, false
		}
		size := header + int(b[16]) + int(b[17])<<8
		if len(b) < size {
			return nil, false
		}
		parents = append(parents, le64(b, 0))
		b = b[size:]
	}
	return parents, true
}
