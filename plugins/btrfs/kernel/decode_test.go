package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// packItems lays items out as a search does.
func packItems(items ...item) []byte {
	var b []byte
	for _, it := range items {
		b = binary.NativeEndian.AppendUint64(b, 7) // transid
		b = binary.NativeEndian.AppendUint64(b, it.object)
		b = binary.NativeEndian.AppendUint64(b, it.offset)
		b = binary.NativeEndian.AppendUint32(b, it.kind)
		b = binary.NativeEndian.AppendUint32(b, uint32(len(it.data)))
		b = append(b, it.data...)
	}
	return b
}

func packRootItem(flags uint64, refs uint32, valid bool) []byte {
	b := make([]byte, rootItemSize)
	for i := range b {
		b[i] = byte(i)
	}
	binary.LittleEndian.PutUint64(b[160:], 42)
	binary.LittleEndian.PutUint64(b[208:], flags)
	binary.LittleEndian.PutUint32(b[216:], refs)
	if valid {
		binary.LittleEndian.PutUint64(b[239:], 42)
	}
	binary.LittleEndian.PutUint64(b[339:], 1700000000)
	binary.LittleEndian.PutUint32(b[347:], 5)
	return b
}

func packRootRef(dir uint64, name string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, dir)
	b = binary.LittleEndian.AppendUint64(b, 3)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	return append(b, name...)
}

func packDirItem(object uint64, name string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, object)
	b = append(b, make([]byte, 17)...)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	b = append(b, 2)
	return append(b, name...)
}

func TestDecodeRootItem(t *testing.T) {
	r, ok := decodeRootItem(packRootItem(rootReadOnly, 1, true))
	if !ok || r.generation != 42 || r.flags != rootReadOnly || r.refs != 1 || !r.otime.Equal(time.Unix(1700000000, 5)) {
		t.Errorf("%+v, %v", r, ok)
	}
	if r.uuid[0] != 247 || r.parentUUID[0] != byte(263%256) || r.receivedUUID[0] != byte(279%256) {
		t.Errorf("%+v", r)
	}
	// Written by a kernel that did not know the newer fields: they mean nothing.
	if r, ok = decodeRootItem(packRootItem(0, 1, false)); !ok || !r.uuid.IsZero() || !r.otime.IsZero() || r.generation != 42 {
		t.Errorf("%+v, %v", r, ok)
	}
	if r, ok = decodeRootItem(packRootItem(0, 1, true)[:rootItemLegacySize]); !ok || !r.uuid.IsZero() {
		t.Errorf("%+v, %v", r, ok)
	}
	if _, ok = decodeRootItem(make([]byte, rootItemLegacySize-1)); ok {
		t.Error("an item that is too short")
	}
}

func TestDecodeDirItem(t *testing.T) {
	b := append(packDirItem(300, "other"), packDirItem(301, "default")...)
	if id, ok := decodeDirItem(b, "default"); !ok || id != 301 {
		t.Error(id, ok)
	}
	for n := range b {
		if id, ok := decodeDirItem(b[:n], "default"); ok {
			t.Errorf("cut to %d bytes: %d", n, id)
		}
	}
}

func TestTruncatedItems(t *testing.T) {
	whole := packItems(item{object: 256, kind: keyRootItem, data: packRootItem(0, 1, true)}, item{object: 256, offset: 5, kind: keyRootBackref, data: packRootRef(256, "name")})
	n := 0
	last, err := decodeItems(whole, 2, func(item) error { n++; return nil })
	if err != nil || n != 2 || last.offset != 5 || last.kind != keyRootBackref {
		t.Errorf("%d items, %+v, %v", n, last, err)
	}
	if ref, ok := decodeRootRef(last); !ok || ref != (rootRef{5, 256, "name"}) {
		t.Errorf("%+v, %v", ref, ok)
	}
	for cut := range whole {
		if _, err := decodeItems(whole[:cut], 2, func(item) error { return nil }); !errors.Is(err, errTruncated) {
			t.Errorf("cut to %d bytes: %v", cut, err)
		}
	}
	if _, err := decodeItems(whole, 3, func(item) error { return nil }); !errors.Is(err, errTruncated) {
		t.Errorf("a third item: %v", err)
	}
	stop := errors.New("stop")
	if _, err := decodeItems(whole, 2, func(item) error { return stop }); err != stop {
		t.Errorf("found %v", err)
	}
}

func TestSearchGoesOnBehindTheLastKey(t *testing.T) {
	all := ^uint64(0)
	cases := []struct {
		k       searchKey
		last    item
		want    item // the new lower end
		further bool
	}{
		{keyRange(1, 256, 132, 144), item{object: 256, kind: 132, offset: 0}, item{object: 256, kind: 132, offset: 1}, true},
		{keyRange(1, 256, 132, 144), item{object: 256, kind: 132, offset: all}, item{object: 256, kind: 133}, true},
		{keyRange(1, 256, 132, 144), item{object: 256, kind: 144, offset: all}, item{object: 256, kind: 145}, false},
		{searchKey{minObjectID: 256, maxObjectID: 300, maxType: 255, maxOffset: all}, item{object: 256, kind: 255, offset: all}, item{object: 257}, true},
		{keyRange(1, all, 0, 255), item{object: all, kind: 255, offset: all}, item{}, false},
	}
	for _, c := range cases {
		further := c.k.startAfter(c.last)
		if further != c.further || c.k.minObjectID != c.want.object || c.k.minType != c.want.kind || c.k.minOffset != c.want.offset {
			t.Errorf("behind %+v: %v, %+v", c.last, further, c.k)
		}
	}
}

// Whatever a buffer holds, no decoder reads outside of it, and what it takes is what was packed.
func FuzzSearchResult(f *testing.F) {
	f.Add(packItems(item{object: 256, kind: keyRootItem, data: packRootItem(1, 1, true)}), uint32(1))
	f.Add(packItems(item{object: 256, offset: 5, kind: keyRootBackref, data: packRootRef(256, "a\nb")}, item{}), uint32(2))
	f.Add(packItems(item{object: 6, kind: keyDirItem, data: packDirItem(256, "default")}), uint32(9))
	f.Add([]byte{}, ^uint32(0))
	f.Fuzz(func(t *testing.T, buffer []byte, count uint32) {
		var all []item
		_, err := decodeItems(buffer, count, func(it item) error {
			all = append(all, it)
			decodeRootItem(it.data)
			decodeDirItem(it.data, "default")
			decodeInodeRef(it)
			decodeChunk(it.data)
			decodeQuotaStatus(it.data)
			decodeQuotaLimit(it.data)
			if ref, ok := decodeRootRef(it); ok && (ref.name == "" || len(ref.name) > len(it.data)) {
				t.Errorf("%+v", ref)
			}
			return nil
		})
		if err == nil && uint64(len(all)) != uint64(count) {
			t.Errorf("%d items instead of %d", len(all), count)
		}
		if len(all) > len(buffer)/32 {
			t.Errorf("%d items in %d bytes", len(all), len(buffer))
		}
		packed := packItems(all...)
		if len(packed) > len(buffer) {
			t.Fatalf("%d bytes out of %d", len(packed), len(buffer))
		}
		// All but the transaction, which is not kept.
		for at := 0; at < len(packed); at += 32 + int(binary.NativeEndian.Uint32(packed[at+28:])) {
			copy(packed[at:at+8], buffer[at:])
		}
		if !bytes.Equal(packed, buffer[:len(packed)]) {
			t.Error("the items differ from the buffer")
		}
	})
}
