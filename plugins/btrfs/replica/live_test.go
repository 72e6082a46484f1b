package replica

import (
	"context"
	"encoding/json"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
	"github.com/hbohlen/coppice/sdk"
)

// rich has one of everything.
func rich() Layout {
	size := func(n sdk.Size) *sdk.Size { return &n }
	gone, sent := made("gone"), made("sent")
	return Layout{Format: Format, Version: Version, Filesystems: []Filesystem{{
		UUID: made("filesystem"), Label: "a rich one", Default: "root", Quotas: "classic",
		Subvolumes: []Subvolume{
			{Path: "root", Age: sdk.Duration(300 * 24 * time.Hour), Compression: "zstd", MaxReferenced: size(10 << 30)},
			{Path: "root/var/lib/machines", Compression: "zstd"},
			{Path: "root/in the way", NoCow: true},
			{Path: "größe\nund mehr", Created: time.Date(2020, 1, 2, 3, 4, 5, 678000000, time.UTC), Compression: "none"},
			{Path: "deep/er/still", MaxExclusive: size(5 << 20), MaxReferenced: size(0)},
			{Path: "old_roots/yesterday", SnapshotOf: "root", Age: sdk.Duration(24 * time.Hour)},
			{Path: "old_roots/yesterday/nested", ReadOnly: true},
			{Path: "old_roots/of one that is gone", Parent: gone, ReadOnly: true},
			{Path: "old_roots/of the same", Parent: gone, ReadOnly: true},
			{Path: "received", Received: sent, ReadOnly: true},
			{Path: "received again", Received: sent, SnapshotOf: "received", ReadOnly: true, Compression: "lzo"},
		},
		Series:  []Series{{Of: "root", Into: "snapshots", Every: sdk.Duration(6 * time.Hour), Count: 30}},
		Folders: []Folder{{Path: "deep/empty", Mode: "0750"}, {Path: "root/srv"}},
		Records: []Record{{Path: "holds/" + string(gone), Content: `{"reason":"it is gone, and pinned"}`}},
	}}}
}

// copyOf builds a copy, and returns it mounted with the path to it.
func copyOf(t *testing.T, l Filesystem) (*kernel.Filesystem, string, Copies) {
	t.Helper()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 1 << 30, MkfsArgs: []string{"--label", l.Label}})
	f, err := kernel.Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	copies := Copies{}
	if err := Build(context.Background(), f, l, copies, nil); err != nil {
		t.Fatal(err)
	}
	if err := WriteRecords(f, l, copies); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fs.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := ages.SetFacts(fs.Image[0], Facts(l, copies, nil)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("btrfs", "check", fs.Image[0]).CombinedOutput(); err != nil {
		t.Fatalf("btrfs check: %v\n%s", err, out)
	}
	if err := fs.MountAgain("subvolid=5"); err != nil {
		t.Fatal(err)
	}
	if f, err = kernel.Open(context.Background(), fs.Mount); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, fs.Mount, copies
}

// bare is a layout without what a copy does not have: where the original is mounted, and its device.
func bare(l Filesystem) Filesystem {
	l.Mounts, l.Device, l.Folders, l.Series = nil, "", nil, nil
	if len(l.Subvolumes) == 0 {
		l.Subvolumes = nil
	}
	return l
}

// TestCopyIsLikeIt: what is captured of a copy is the layout; btrfs itself says the same; and a copy of the copy is like it.
func TestCopyIsLikeIt(t *testing.T) {
	l := rich()
	if wrong := l.Check(); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	want := l.Expand(time.Now()).Filesystems[0]
	f, mount, copies := copyOf(t, want)
	captured, notes, err := Capture(f)
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	same(t, "the copy", bare(want), bare(copies.Original(captured)))
	for _, sub := range captured.Subvolumes {
		oracle(t, mount, sub)
	}
	if kind, found, err := f.Stat("deep/empty"); err != nil || !found || kind != kernel.EntryDir {
		t.Errorf("the folder: %v %v %v", kind, found, err)
	}
	again, _, copies := copyOf(t, captured)
	second, _, err := Capture(again)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the copy of the copy", bare(captured), bare(copies.Original(second)))
}

// TestCopyOfWhatTheKernelMade: snapshots that the kernel has made are captured as such, and their copies are like them.
func TestCopyOfWhatTheKernelMade(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	btrfs := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("btrfs", args...).CombinedOutput(); err != nil {
			t.Fatalf("btrfs %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	at := func(p string) string { return fs.Path(p) }
	btrfs("subvolume", "create", at("a"))
	btrfs("subvolume", "create", at("a/b"))
	btrfs("subvolume", "snapshot", "-r", at("a"), at("s1"))
	btrfs("subvolume", "snapshot", at("s1"), at("s2"))
	btrfs("subvolume", "create", at("gone"))
	btrfs("subvolume", "snapshot", "-r", at("gone"), at("s3"))
	btrfs("subvolume", "delete", "-c", at("gone"))
	btrfs("property", "set", at("s2"), "compression", "zstd")
	f, err := kernel.Open(context.Background(), fs.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, notes, err := Capture(f)
	if err != nil || len(notes) > 0 || len(l.Subvolumes) != 5 {
		t.Fatal(err, notes, l.Subvolumes)
	}
	for _, sub := range l.Subvolumes {
		oracle(t, fs.Mount, sub)
	}
	data, err := Encode(Layout{Format: Format, Version: Version, Taken: time.Now().UTC(), Filesystems: []Filesystem{l}})
	if err != nil {
		t.Fatal(err)
	}
	read, wrong, err := Decode(data)
	if err != nil || len(wrong) > 0 {
		t.Fatal(err, wrong)
	}
	c, _, copies := copyOf(t, read.Expand(time.Now()).Filesystems[0])
	captured, _, err := Capture(c)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the copy", bare(l), bare(copies.Original(captured)))
	for _, sub := range captured.Subvolumes {
		for _, original := range l.Subvolumes {
			if sub.UUID == original.UUID {
				t.Errorf("%q has the UUID of its original", sub.Path)
			}
		}
	}
}

// oracle compares a subvolume with what btrfs prints of it.
func oracle(t *testing.T, mount string, sub Subvolume) {
	t.Helper()
	if strings.Contains(sub.Path, "\n") {
		return // it can't be told from two lines
	}
	out, err := exec.Command("btrfs", "subvolume", "show", mount+"/"+sub.Path).Output()
	if err != nil {
		t.Fatalf("btrfs subvolume show %q: %v", sub.Path, err)
	}
	shown := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			shown[key] = strings.TrimSpace(value)
		}
	}
	dash := func(id sdk.UUID) string {
		if id == "" {
			return "-"
		}
		return string(id)
	}
	flags := "-"
	if sub.ReadOnly {
		flags = "readonly"
	}
	for key, want := range map[string]string{"UUID": string(sub.UUID), "Parent UUID": dash(sub.Parent), "Received UUID": dash(sub.Received),
		"Creation time": sub.Created.Local().Format("2006-01-02 15:04:05 -0700"), "Flags": flags} {
		if shown[key] != want {
			t.Errorf("%q: btrfs prints %s %q, captured was %q", sub.Path, key, shown[key], want)
		}
	}
}

func same(t *testing.T, what string, want, got Filesystem) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return
	}
	text := func(f Filesystem) []string {
		data, _ := json.MarshalIndent(f, "", " ")
		return strings.Split(string(data), "\n")
	}
	w, g := text(want), text(got)
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			t.Fatalf("%s differs from line %d on:\nwant %q\ngot  %q", what, i, w[i:min(i+4, len(w))], g[i:min(i+4, len(g))])
		}
	}
	t.Fatalf("%s differs", what)
}
