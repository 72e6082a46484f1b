package kernel

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of the result buffer. An item is at most a tree node, so that the small one may have to grow; see search.
const (
	bufferOne  = 4 << 10   // for the items of one object
	bufferMany = 256 << 10 // for whole trees
	bufferMax  = 16 << 20  // the kernel takes no more
)

// search passes every item of a tree whose key lies between the two ends of k and whose type lies in k's range, in the
// order of their keys. The data of an item is valid only during its call. Items that come and go meanwhile may be
// passed or not; the others are passed once. It needs CAP_SYS_ADMIN.
//
// With nrItems 1 in k only the first item is passed, which saves asking whether there are more: for ranges of one object and
// one type.
func search(f *os.File, k searchKey, bufferSize int, each func(item) error) error {
	k.maxTransID = ^uint64(0)
	minType, maxType := k.minType, k.maxType
	first := k.nrItems == 1
	if !first {
		k.nrItems = ^uint32(0)
	}
	words := make([]uint64, (searchArgsSize+bufferSize)/8) // words, because the kernel wants it aligned
	for {
		args := (*searchArgsV2)(unsafe.Pointer(&words[0]))
		args.key, args.bufSize = k, uint64(bufferSize)
		err := ioctlAgain(f, iocTreeSearchV2, unsafe.Pointer(&words[0]))
		if err == unix.EOVERFLOW && bufferSize < bufferMax {
			bufferSize *= 16
			words = make([]uint64, (searchArgsSize+bufferSize)/8)
			continue
		}
		if err != nil {
			return err
		}
		count := args.key.nrItems
		if count == 0 {
			return nil
		}
		found := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)[searchArgsSize:]
		last, err := decodeItems(found, count, func(it item) error {
			// The kernel compares whole keys: between two objects it also returns items of other types.
			if it.kind < minType || it.kind > maxType {
				return nil
			}
			return each(it)
		})
		if err != nil {
			return err
		}
		if first || !k.startAfter(last) {
			return nil
		}
	}
}

// startAfter moves the lower end behind a key, and reports whether anything is left of the range.
func (k *searchKey) startAfter(last item) bool {
	k.minObjectID, k.minType, k.minOffset = last.object, last.kind, last.offset+1
	if k.minOffset == 0 {
		k.minType++
	}
	if k.minType > 255 {
		k.minType = 0
		k.minObjectID++
		if k.minObjectID == 0 {
			return false
		}
	}
	switch {
	case k.minObjectID != k.maxObjectID:
		return k.minObjectID < k.maxObjectID
	case k.minType != k.maxType:
		return k.minType < k.maxType
	}
	return k.minOffset <= k.maxOffset
}

// keyRange covers all items of one object with types from first to last.
func keyRange(tree, object uint64, first, last uint32) searchKey {
	return searchKey{treeID: tree, minObjectID: object, maxObjectID: object, minType: first, maxType: last, maxOffset: ^uint64(0)}
}
