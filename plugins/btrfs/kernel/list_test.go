package kernel_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// build makes some hundreds of subvolumes: nested, in directories, read-only, with odd names.
func build(t *testing.T, loop *loopfs.Filesystem, f *kernel.Filesystem) {
	t.Helper()
	for i, name := range oddNames {
		s := create(t, f, name)
		mkdir(t, f, name+"/dir/deep ü")
		for j := range 8 {
			create(t, f, fmt.Sprintf("%s/dir/deep ü/n%d", name, j))
		}
		create(t, f, name+"/"+name)
		mkdir(t, f, fmt.Sprintf("snaps/%d", i))
		if _, err := f.Snapshot(kernel.SnapshotSpec{SourceID: s.ID, DestDir: fmt.Sprintf("snaps/%d", i), Name: name, ReadOnly: i%2 == 0}); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("long", 63)
	create(t, f, long)
	must(t, f.Sync())
}

// TestListEqualsOracle compares every field that btrfs prints.
func TestListEqualsOracle(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	build(t, loop, f)
	all, err := f.List()
	must(t, err)
	if len(all) < 200 {
		t.Fatalf("only %d subvolumes", len(all))
	}
	// With a line for each, names with newlines would break it: the lines are compared as one text.
	var list, readOnly strings.Builder
	for _, s := range all {
		line := fmt.Sprintf("ID %d gen %d cgen %d parent %d top level %d parent_uuid %s received_uuid %s uuid %s path %s\n",
			s.ID, s.Gen, s.OTransID, s.ParentID, s.ParentID, oracleUUID(s.ParentUUID), oracleUUID(s.ReceivedUUID), oracleUUID(s.UUID), s.Path)
		list.WriteString(line)
		if s.ReadOnly {
			fmt.Fprintf(&readOnly, "ID %d gen %d top level %d path %s\n", s.ID, s.Gen, s.ParentID, s.Path)
		}
	}
	compare(t, "list", list.String(), btrfs(t, "subvolume", "list", "-cpuqR", "--sort=rootid", loop.Mount))
	compare(t, "list of read-only ones", readOnly.String(), btrfs(t, "subvolume", "list", "-r", "--sort=rootid", loop.Mount))
	for i, s := range all {
		if i > 0 && all[i-1].ID >= s.ID {
			t.Fatalf("ID %d comes after %d", s.ID, all[i-1].ID)
		}
		if age := time.Since(s.OTime); age < -time.Minute || age > time.Hour || s.OTime.Location() != time.UTC {
			t.Errorf("%q was born at %v", s.Path, s.OTime)
		}
		one, err := f.Info(s.ID)
		if err != nil || one != s {
			t.Errorf("Info(%d) differs: %v\n%+v\n%+v", s.ID, err, one, s)
		}
		one, err = f.ByUUID(s.UUID)
		if err != nil || one != s {
			t.Errorf("ByUUID(%v) differs: %v\n%+v\n%+v", s.UUID, err, one, s)
		}
		if st, err := os.Stat(loop.Path(s.Path)); err != nil || !st.IsDir() {
			t.Errorf("the path is wrong: %v", err)
		}
		if s.Name() != filepath.Base(s.Path) {
			t.Errorf("the name of %q is %q", s.Path, s.Name())
		}
	}
}

func oracleUUID(u kernel.UUID) string {
	if u.IsZero() {
		return fmt.Sprintf("%-36s", "-")
	}
	return u.String()
}

func compare(t *testing.T, what, got, want string) {
	t.Helper()
	// The oracle pads some columns.
	squeeze := func(s string) string {
		for strings.Contains(s, "-  ") {
			s = strings.ReplaceAll(s, "-  ", "- ")
		}
		return s
	}
	got, want = squeeze(got), squeeze(want)
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("%s, line %d:\nfound    %q\nexpected %q", what, i+1, g[i], w[i])
			return
		}
	}
	t.Errorf("%s: found %d lines, expected %d", what, len(g), len(w))
}

func TestInfo(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20})
	top, err := f.Info(kernel.TopLevelID)
	if err != nil || top.ID != kernel.TopLevelID || top.Path != "" || top.ParentID != 0 || top.Name() != "" {
		t.Errorf("top level: %+v, %v", top, err)
	}
	if !top.UUID.IsZero() {
		if s, err := f.ByUUID(top.UUID); err != nil || s.ID != kernel.TopLevelID {
			t.Errorf("top level by UUID: %+v, %v", s, err)
		}
	}
	for _, id := range []uint64{0, 1, 6, 255, 256, 999, ^uint64(0)} {
		_, err := f.Info(id)
		wantErr(t, fmt.Sprint("ID ", id), err, kernel.ErrNotFound)
	}
	_, err = f.ByUUID(kernel.UUID{})
	wantErr(t, "zero UUID", err, kernel.ErrInvalid)
	_, err = f.ByUUID(kernel.UUID{1})
	wantErr(t, "unknown UUID", err, kernel.ErrNotFound)

	s := create(t, f, "s")
	if id, err := f.Default(); err != nil || id != kernel.TopLevelID {
		t.Errorf("default: %d, %v", id, err)
	}
	btrfs(t, "subvolume", "set-default", strconv.FormatUint(s.ID, 10), loop.Mount)
	if id, err := f.Default(); err != nil || id != s.ID {
		t.Errorf("default: %d, %v, expected %d", id, err, s.ID)
	}
	if printed := btrfs(t, "subvolume", "get-default", loop.Mount); !strings.HasPrefix(printed, fmt.Sprintf("ID %d ", s.ID)) {
		t.Errorf("btrfs says %s", printed)
	}
}

// The kernel puts no path together that is longer than 4079 bytes.
func TestVeryLongPath(t *testing.T) {
	_, f := made(t, loopfs.Options{Size: 256 << 20})
	element := strings.Repeat("x", 250)
	dir, err := f.OpenDir("")
	must(t, err)
	var path []string
	for range 20 {
		if _, err := dir.MkdirAll(element, 0o755); err != nil {
			t.Fatal(err)
		}
		deeper, err := dir.OpenDir(element)
		must(t, err)
		must(t, dir.Close())
		dir = deeper
		path = append(path, element)
	}
	defer dir.Close()
	want := strings.Join(path, "/") + "/s"
	must(t, os.Mkdir(fmt.Sprintf("/proc/self/fd/%d/plain", dir.Fd()), 0o755))
	btrfs(t, "subvolume", "create", fmt.Sprintf("/proc/%d/fd/%d/s", os.Getpid(), dir.Fd()))
	all, err := f.List()
	if err != nil || len(all) != 1 || all[0].Path != want {
		t.Errorf("%v, %d subvolumes", err, len(all))
	}
	if _, err := f.CreateSubvolume(want + "2"); !errors.Is(err, kernel.ErrInvalid) {
		t.Errorf("a path too long to open: %v", err)
	}
}

// While others create and delete, what is not touched is always in the list.
func TestListDuringChurn(t *testing.T) {
	_, f := made(t, loopfs.Options{})
	kept := map[uint64]string{}
	for i := range 40 {
		s := create(t, f, fmt.Sprint("kept", i))
		kept[s.ID] = s.Path
	}
	stop := make(chan struct{})
	var churn sync.WaitGroup
	for w := range 2 {
		churn.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				s, err := f.CreateSubvolume(fmt.Sprintf("churn%d-%d", w, i))
				if err == nil {
					err = f.DeleteByUUID(s.ID, s.UUID)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 40 {
		all, err := f.List()
		if err != nil {
			t.Error(err)
			break
		}
		found := 0
		for _, s := range all {
			if kept[s.ID] == s.Path {
				found++
			} else if kept[s.ID] != "" {
				t.Errorf("ID %d is at %q", s.ID, s.Path)
			}
		}
		if found != len(kept) {
			t.Errorf("found %d of %d", found, len(kept))
		}
	}
	close(stop)
	churn.Wait()
}

func BenchmarkList(b *testing.B) {
	loop := loopfs.ForTest(b, loopfs.Options{})
	f, err := kernel.Open(b.Context(), loop.Mount)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for i := range 10000 {
		dir := fmt.Sprint("d", i%10)
		if _, err := f.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		if _, err := f.CreateSubvolume(fmt.Sprint(dir, "/s", i)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if all, err := f.List(); err != nil || len(all) != 10000 {
			b.Fatal(len(all), err)
		}
	}
}

func TestAtPath(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	f, err := kernel.Open(t.Context(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.MkdirAll("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	want, err := f.CreateSubvolume("dir/a b")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a b", fs.Path("dir", "link")); err != nil {
		t.Fatal(err)
	}
	got, found, err := f.AtPath("dir/a b")
	if err != nil || !found || got.UUID != want.UUID || got.ID != want.ID || got.Path != "dir/a b" {
		t.Errorf("%+v %v %v", got, found, err)
	}
	for _, path := range []string{"dir", "dir/none", "none/none"} {
		if _, found, err := f.AtPath(path); found || err != nil {
			t.Errorf("%s: %v %v", path, found, err)
		}
	}
	if _, found, err := f.AtPath("dir/link"); found || err == nil {
		t.Errorf("a symbolic link: %v %v", found, err)
	}
}
