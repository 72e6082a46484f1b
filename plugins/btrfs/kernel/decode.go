package kernel

import (
	"encoding/binary"
	"errors"
	"time"
)

// item is one item of a tree: its key and its bytes, which are little-endian as on disk.
type item struct {
	object, offset uint64
	kind           uint32
	data           []byte
}

var errTruncated = errors.New("the kernel's search result ends within an item")

// decodeItems reads count items out of the buffer of a search, each behind a btrfs_ioctl_search_header (linux/btrfs.h)
// in the byte order of the machine. It returns the last item, and never reads behind the buffer whatever is in it.
func decodeItems(buffer []byte, count uint32, each func(item) error) (last item, err error) {
	const header = 32
	for ; count > 0; count-- {
		if len(buffer) < header {
			return last, errTruncated
		}
		last = item{
			object: binary.NativeEndian.Uint64(buffer[8:]),
			offset: binary.NativeEndian.Uint64(buffer[16:]),
			kind:   binary.NativeEndian.Uint32(buffer[24:]),
		}
		size := uint64(binary.NativeEndian.Uint32(buffer[28:]))
		buffer = buffer[header:]
		if uint64(len(buffer)) < size {
			return last, errTruncated
		}
		last.data, buffer = buffer[:size:size], buffer[size:]
		if err := each(last); err != nil {
			return last, err
		}
	}
	return last, nil
}

// rootItem is what is used of a btrfs_root_item.
type rootItem struct {
	generation, flags                      uint64
	refs                                   uint32
	uuid, parentUUID, receivedUUID         UUID
	ctransid, otransid, stransid, rtransid uint64
	ctime, otime, stime, rtime             time.Time
}

// Sizes of btrfs_root_item (linux/btrfs_tree.h) up to kernel 3.5, and since.
const (
	rootItemLegacySize = 239
	rootItemSize       = 439
)

// decodeRootItem reports false for an item that is too short to be one. The fields behind the legacy part stay zero
// unless generation_v2 says that the last kernel that wrote the item knew them.
func decodeRootItem(b []byte) (rootItem, bool) {
	if len(b) < rootItemLegacySize {
		return rootItem{}, false
	}
	r := rootItem{generation: le64(b, 160), flags: le64(b, 208), refs: binary.LittleEndian.Uint32(b[216:])}
	if len(b) < rootItemSize || le64(b, 239) != r.generation {
		return r, true
	}
	r.uuid, r.parentUUID, r.receivedUUID = UUID(b[247:263]), UUID(b[263:279]), UUID(b[279:295])
	r.ctransid, r.otransid, r.stransid, r.rtransid = le64(b, 295), le64(b, 303), le64(b, 311), le64(b, 319)
	r.ctime, r.otime, r.stime, r.rtime = diskTime(b[327:]), diskTime(b[339:]), diskTime(b[351:]), diskTime(b[363:])
	return r, true
}

// rootRef is where a subvolume hangs: a name in a directory of its parent.
type rootRef struct {
	parent, dir uint64
	name        string
}

func decodeRootRef(it item) (rootRef, bool) { // btrfs_root_ref, then the name
	const header = 18
	if len(it.data) < header {
		return rootRef{}, false
	}
	name := it.data[header:]
	size := int(binary.LittleEndian.Uint16(it.data[16:]))
	if size == 0 || len(name) < size {
		return rootRef{}, false
	}
	return rootRef{parent: it.offset, dir: le64(it.data, 0), name: string(name[:size])}, true
}

// decodeDirItem returns the object that a name stands for. Names whose hashes collide share one item.
func decodeDirItem(b []byte, name string) (object uint64, found bool) { // btrfs_dir_item, then name and data
	const header = 30
	for len(b) >= header {
		dataSize := int(binary.LittleEndian.Uint16(b[25:]))
		nameSize := int(binary.LittleEndian.Uint16(b[27:]))
		if len(b) < header+nameSize+dataSize {
			return 0, false
		}
		if string(b[header:header+nameSize]) == name {
			return le64(b, 0), true
		}
		b = b[header+nameSize+dataSize:]
	}
	return 0, false
}

func decodeInodeRef(it item) (parent uint64, name string, ok bool) { // btrfs_inode_ref, then the name
	const header = 10
	if len(it.data) < header {
		return 0, "", false
	}
	size := int(binary.LittleEndian.Uint16(it.data[8:]))
	if len(it.data) < header+size {
		return 0, "", false
	}
	return it.offset, string(it.data[header : header+size]), true
}

// chunk is what is used of a btrfs_chunk.
type chunk struct {
	length, flags uint64
	devices       []uint64 // the ID of the device of each stripe
}

func decodeChunk(b []byte) (chunk, bool) { // btrfs_chunk and its btrfs_stripes
	const header, stripe = 48, 32
	if len(b) < header {
		return chunk{}, false
	}
	c := chunk{length: le64(b, 0), flags: le64(b, 24)}
	count := int(binary.LittleEndian.Uint16(b[44:]))
	b = b[header:]
	if len(b) < count*stripe {
		return chunk{}, false
	}
	for ; count > 0; count-- {
		c.devices = append(c.devices, le64(b, 0))
		b = b[stripe:]
	}
	return c, true
}

// diskTime reads a btrfs_timespec; all zero is the zero time.
func diskTime(b []byte) time.Time {
	return unixTime(le64(b, 0), binary.LittleEndian.Uint32(b[8:]))
}

func (t timespec) time() time.Time { return unixTime(t.sec, t.nsec) }

func unixTime(sec uint64, nsec uint32) time.Time {
	if sec == 0 && nsec == 0 {
		return time.Time{}
	}
	return shown(time.Unix(int64(sec), int64(nsec)).UTC())
}

func le64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
