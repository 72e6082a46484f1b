package ages_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
)

// What btrfs itself prints is the oracle: before and after, apart from the times.
func TestRealImage(t *testing.T) {
	for _, c := range []struct {
		name  string
		count int
		mkfs  []string
	}{
		{"dup", 300, []string{"-m", "dup"}},
		{"single, small nodes", 300, []string{"-m", "single", "-n", "4096"}},
		{"mixed, metadata UUID", 60, []string{"--mixed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20, MkfsArgs: c.mkfs})
			names := populate(t, f, c.count)
			unmount(t, f)
			if strings.Contains(c.name, "metadata UUID") {
				run(t, "btrfstune", "-f", "-m", f.Image[0])
				if out := run(t, "btrfs", "inspect-internal", "dump-super", f.Image[0]); !strings.Contains(out, "METADATA_UUID") {
					t.Errorf("the image has no metadata UUID: %s", out)
				}
			}
			setAndCompare(t, f, names, time.Date(2025, 1, 1, 0, 0, 0, 987_654_321, time.UTC))

			// Again, now that the kernel has written more and the leaves are elsewhere.
			mount(t, f, "")
			run(t, "btrfs", "subvolume", "snapshot", f.Path(names[0]), f.Path("later"))
			run(t, "btrfs", "subvolume", "delete", "--commit-after", f.Path(names[1]))
			run(t, "btrfs", "subvolume", "sync", f.Mount)
			unmount(t, f)
			names = append(slices.Delete(names, 1, 2), "later")
			setAndCompare(t, f, names, time.Date(2023, 6, 1, 12, 0, 0, 0, time.UTC))
		})
	}
}

// populate makes subvolumes, every third a snapshot, some with names that are hard to print.
func populate(t testing.TB, f *loopfs.Filesystem, n int) (names []string) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("%d", i)
		switch i {
		case 1:
			name = "a b"
		case 2:
			name = "a\nb ä"
		}
		if i%3 == 2 {
			run(t, "btrfs", "subvolume", "snapshot", "-r", f.Path(names[i-1]), f.Path(name))
		} else {
			run(t, "btrfs", "subvolume", "create", f.Path(name))
			if err := os.WriteFile(f.Path(name, "file"), []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		names = append(names, name)
	}
	return names
}

// setAndCompare spreads the subvolumes over 400 days, the top level left out.
func setAndCompare(t *testing.T, f *loopfs.Filesystem, names []string, start time.Time) {
	t.Helper()
	image := f.Image[0]
	mount(t, f, "ro")
	shown := show(t, f, names)
	unmount(t, f)
	created, uuids := spread(t, shown, names, start)
	before := dump(t, image)
	original := filepath.Join(t.TempDir(), "copy")
	run(t, "cp", "--sparse=always", image, original)

	begin := time.Now()
	if err := ages.Set(image, created); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d subvolumes in %v", len(created), time.Since(begin))

	if err := ages.Set(image, nil); err != nil { // compares all copies
		t.Error(err)
	}
	run(t, "btrfs", "check", "--readonly", image)
	checkDump(t, before, dump(t, image), created)
	// In each of at most 2 copies 12 bytes a subvolume, and the checksum of no more blocks than subvolumes.
	if n, limit := different(t, original, image), 2*len(created)*(12+4); n == 0 || n > limit {
		t.Errorf("%d bytes of the image are different, at most %d should be", n, limit)
	}
	mount(t, f, "ro")
	defer unmount(t, f)
	run(t, "btrfs", "scrub", "start", "-B", "-r", f.Mount) // reads all copies
	for i := 0; i < len(names); i += 1 + i/8 {             // the first ones have odd names
		after := show(t, f, names[i:i+1])[0]
		want := "${1}" + created[uuids[i]].UTC().Format("2006-01-02 15:04:05 -0700")
		if expected := creation.ReplaceAllString(shown[i], want); after != expected {
			t.Fatalf("%q was\n%sand is\n%sexpected\n%s", names[i], shown[i], after, expected)
		}
	}
}

var (
	uuidLine = regexp.MustCompile(`(?m)^\s+UUID:\s+(\S+)$`)
	// The command of btrfs-progs 6.2 prints the creation time as that of sending too if there was no sending.
	creation = regexp.MustCompile(`(?m)((?:Creation|Send) time:\s+).*$`)
)

func spread(t testing.TB, shown, names []string, start time.Time) (map[kernel.UUID]time.Time, []kernel.UUID) {
	t.Helper()
	created := map[kernel.UUID]time.Time{}
	var uuids []kernel.UUID
	for i, text := range shown {
		m := uuidLine.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no UUID in %s", text)
		}
		uuid, err := kernel.ParseUUID(m[1])
		if err != nil {
			t.Fatal(err)
		}
		uuids = append(uuids, uuid)
		created[uuid] = start.Add(400 * 24 * time.Hour * time.Duration(i) / time.Duration(len(names)))
	}
	return created, uuids
}

func show(t testing.TB, f *loopfs.Filesystem, names []string) (shown []string) {
	for _, name := range names {
		shown = append(shown, run(t, "btrfs", "subvolume", "show", f.Path(name)))
	}
	return shown
}
