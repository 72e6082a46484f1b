package ages

import (
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// FuzzImage changes bytes of the fake image's blocks: each 4 bytes of edits are a block, an offset in it and a value.
// With sealed, the checksums are made right again, so that what lies behind them is reached. Nothing may panic, planning
// may not write, and what Set accepts has the time afterwards.
func FuzzImage(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte{0, 0, superNodeSize + 1, 0x20}, true)
	f.Add([]byte{0, superSystemChunks >> 8, superSystemChunks&0xff + keySize + 7, 0x80}, true)
	f.Add([]byte{0, (superSystemChunks + keySize + chunkType) >> 8, (superSystemChunks + keySize + chunkType) & 0xff, 1}, true)
	f.Add([]byte{1, 0, headerSize + keySize + 3, 0xff}, true)
	f.Add([]byte{2, 0, headerSize + keySize, 0x10}, true)
	f.Add([]byte{3, 0, headerCount + 3, 0xff}, true)
	f.Add([]byte{3, 0, headerLevel, 1, 2, 0, headerLevel, 2, 0, 0, superRootLevel, 2}, true)
	f.Add([]byte{4, 15, 255, 1}, false)
	blocks := []int{superOffset, atChunks, atRoot, atLeaf1, atLeaf2}
	f.Fuzz(func(t *testing.T, edits []byte, sealed bool) {
		m := fake()
		for ; len(edits) >= 4; edits = edits[4:] {
			offset := (int(edits[1])<<8 | int(edits[2])) % fakeNode
			m[blocks[int(edits[0])%len(blocks)]+offset] = edits[3]
		}
		if sealed {
			m.seal()
		}
		times := map[kernel.UUID]Facts{fakeUUID(256): {Created: sampleTime}}
		if m.set(times) != nil {
			return
		}
		again, err := openVolume(m)
		if err != nil {
			t.Fatalf("the image cannot be read any more: %v", err)
		}
		found := false
		err = again.walk(again.super.root, func(_ *block, items []item) error {
			for _, it := range items {
				if uuid, ok := subvolume(it); ok && uuid == fakeUUID(256) {
					raw := it.data[rootOTime:]
					found = le.Uint64(raw) == uint64(sampleTime.Unix()) && le.Uint32(raw[8:]) == uint32(sampleTime.Nanosecond())
				}
			}
			return nil
		})
		if err != nil || !found {
			t.Fatalf("the time is not there (%v)", err)
		}
	})
}

// FuzzParsers gives the parsers what no image that passes the checks before them would.
func FuzzParsers(f *testing.F) {
	m := fake()
	for _, at := range []int{superOffset, atChunks, atRoot, atLeaf1} {
		f.Add([]byte(m[at:][:fakeNode]), uint8(1))
	}
	f.Add([]byte(m[superOffset+superSystemChunks:][:keySize+chunkSize+2*stripeSize]), uint8(0))
	f.Fuzz(func(_ *testing.T, raw []byte, level uint8) {
		if chunks, err := systemChunks(raw, 1); err == nil {
			for _, c := range chunks {
				_, _ = physical(chunks, c.logical, fakeNode)
				_, _ = physical(chunks, c.logical+c.length-1, fakeNode)
			}
		}
		padded := make([]byte, fakeNode)
		copy(padded, raw)
		_, _ = parseSuper(padded)
		sum(padded)
		_, _ = parseSuper(padded)
		p := pointer{level: level}
		_, _ = p.children(padded)
		if items, err := p.items(padded); err == nil {
			for _, it := range items {
				subvolume(it)
				_, _ = chunkBytes(it.data)
			}
		}
	})
}
