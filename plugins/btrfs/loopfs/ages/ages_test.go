package ages

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

var sampleTime = time.Unix(1_600_000_000, 123_456_789)

func TestFake(t *testing.T) {
	m := fake()
	before, err := m.list()
	if err != nil || len(before) != 4 {
		t.Fatalf("%d subvolumes, %v", len(before), err)
	}
	err = m.set(map[kernel.UUID]Facts{
		fakeUUID(topLevel): {Created: sampleTime},
		fakeUUID(257):      {Created: sampleTime, Changed: sampleTime.Add(time.Second)},
		fakeUUID(258):      {},
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := m.list()
	want := []string{
		fakeUUID(topLevel).String() + " 1600000000.123456789 1700000001.000000006",
		before[1],
		fakeUUID(257).String() + " 1600000000.123456789 1600000001.123456789",
		before[3],
	}
	if err != nil || !slices.Equal(after, want) {
		t.Errorf("found    %s\nexpected %s\n%v", after, want, err)
	}
	for _, at := range []int{atRoot, atLeaf1, atLeaf2} {
		if !bytes.Equal(m[at:][:fakeNode], m[at+fakeCopies:][:fakeNode]) {
			t.Errorf("the copies of the block at %d differ", at)
		}
	}
}

// Each case spoils one thing; nothing may be written then.
func TestRefusals(t *testing.T) {
	u64 := func(at int, value uint64) func(memory) {
		return func(m memory) { le.PutUint64(m[at:], value); m.seal() }
	}
	u32 := func(at int, value uint32) func(memory) {
		return func(m memory) { le.PutUint32(m[at:], value); m.seal() }
	}
	flip := func(at int) func(memory) { return func(m memory) { m[at] ^= 1 } }
	item := func(leaf, n, field int) int { return leaf + headerSize + n*itemSize + field }
	chunk := superOffset + superSystemChunks + keySize
	for _, c := range []struct {
		name  string
		spoil func(memory)
		want  string
	}{
		{"no magic", flip(superOffset + superMagicAt), "it has no btrfs superblock"},
		{"super checksum", flip(superOffset + 4000), "the checksum of the superblock is wrong"},
		{"csum type", u64(superOffset+superCsumType, 1|1<<16), "its checksums are of type xxhash; only crc32c"},
		{"log tree", u64(superOffset+superLogRoot, 1<<20), "it was not unmounted cleanly"},
		{"devices", u64(superOffset+superNumDevices, 2), "it is one of 2 devices"},
		{"flags", u64(superOffset+superFlags, 1<<2), "the unknown flags 0x4"},
		{"incompat", u64(superOffset+superIncompat, 1<<13), "the unknown incompat features 0x2000"},
		{"metadata UUID", u64(superOffset+superIncompat, 1<<10), "copy 1 of block 1048576: it is of another filesystem"},
		{"node size", u32(superOffset+superNodeSize, 5000), "the node size 5000"},
		{"sys array size", u32(superOffset+superSystemChunksSize, 2049), "2049 bytes of system chunks"},
		{"sys array end", u32(superOffset+superSystemChunksSize, 120), "2 stripes do not fit it"},
		{"profile", u64(chunk+chunkType, groupSystem|1<<4), "its profile is 0x10 with 2 stripes"},
		{"sys array type", u64(chunk+chunkType, 1), "it is of neither system nor metadata"},
		{"stripe", u64(chunk+chunkSize+8, 1<<63), "a copy is at 9223372036854775808"},
		{"behind the end", u64(chunk+chunkSize+8, 1<<40), "copy 1 of block 1048576 is behind the end of the image"},
		{"root level", func(m memory) { m[superOffset+superRootLevel] = 8; m.seal() }, "its level is 8"},
		{"no chunk", u64(superOffset+superRoot, 5<<20), "block 5242880 is in no chunk"},
		{"second copy bad", flip(atLeaf2 + fakeCopies + 4000), "copy 2 of block 2105344: its checksum is wrong"},
		{"copies differ", func(m memory) { m[atLeaf2+3000] = 9; sum(m[atLeaf2:][:fakeNode]) }, "copies of block 2105344 differ"},
		{"generation", u64(atLeaf1+headerGeneration, 6), "its generation is 6, expected 7"},
		{"owner", u64(atLeaf1+headerOwner, 2), "it is of tree 2, expected 1"},
		{"bytenr", u64(atLeaf1+headerBytenr, 4096), "it says it is block 4096"},
		{"count", u32(atLeaf1+headerCount, 1<<31), "2147483648 entries, more than fit"},
		{"order", u64(item(atLeaf1, 1, 0), 1), "the keys of entries 0 and 1 are out of order"},
		{"first key", u64(item(atLeaf1, 0, 0), 1), "does not begin with the key that its parent says"},
		{"item data", u32(item(atLeaf1, 1, keySize), 1<<31), "the data of item 1 is not where it should be"},
		{"cycle", u64(atRoot+headerSize+pointerSize+keySize, fakeMetadata+fakeNode), "is in the tree twice"},
		{"same UUID", func(m memory) { copy(m[atLeaf2+fakeNode-rootSize+rootUUID:], fakeUUIDBytes(256)); m.seal() },
			"subvolumes 256 and 257 have the same UUID"},
		{"deleted", u32(atLeaf2+fakeNode-rootSize+rootRefs, 0), "no subvolume with the UUID " + fakeUUID(257).String()},
		{"old kernel", u64(atLeaf2+fakeNode-rootSize+rootGeneration, 4), "no subvolume with the UUID " + fakeUUID(257).String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := fake()
			c.spoil(m)
			before := slices.Clone(m)
			err := m.set(map[kernel.UUID]Facts{fakeUUID(256): {Created: sampleTime}, fakeUUID(257): {Created: sampleTime}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, expected %s", err, c.want)
			}
			if !bytes.Equal(before, m) {
				t.Error("something was written")
			}
		})
	}
}

func fakeUUIDBytes(id uint64) []byte { u := fakeUUID(id); return u[:] }

// Through the file system, and with what the caller got wrong.
func TestSetInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "an image\nof two lines")
	if err := os.WriteFile(path, fake(), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	b, a := kernel.UUID{0xb}, kernel.UUID{0xa}
	for _, c := range []struct {
		path    string
		created map[kernel.UUID]time.Time
		want    string
	}{
		{path, map[kernel.UUID]time.Time{b: sampleTime, fakeUUID(256): sampleTime, a: sampleTime},
			"it has no subvolume with the UUID " + a.String() + ", " + b.String()},
		{path, map[kernel.UUID]time.Time{fakeUUID(2): sampleTime}, "it has no subvolume"}, // not a subvolume's tree
		{path, map[kernel.UUID]time.Time{{}: sampleTime}, "is the UUID of no subvolume"},
		{path, map[kernel.UUID]time.Time{fakeUUID(256): {}}, "the creation time is not set"},
		{path, map[kernel.UUID]time.Time{fakeUUID(256): time.Unix(-1, 0)}, "1969-12-31T23:59:59Z is not after the start of 1970"},
		{path + "x", nil, "no such file"},
		{fifo, nil, "it is not a regular file (prw"},
		{t.TempDir(), nil, "it is not a regular file (d"},
		{"/dev/null", nil, "it is not a regular file (D"},
		{path, nil, ""},
		{path, map[kernel.UUID]time.Time{fakeUUID(256): sampleTime}, ""},
	} {
		err := Set(c.path, c.created)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("Set(%q, %v) = %v, expected %q", c.path, c.created, err, c.want)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fake()
	if err := want.set(map[kernel.UUID]Facts{fakeUUID(256): {Created: sampleTime}}); err != nil || !bytes.Equal(raw, want) {
		t.Errorf("the file is not what it should be (%v)", err)
	}
}
