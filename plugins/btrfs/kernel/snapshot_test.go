package kernel_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

func TestSnapshot(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	source := create(t, f, "source")
	must(t, os.WriteFile(loop.Path("source/file"), []byte("x"), 0o600))
	nested := create(t, f, "source/nested")
	mkdir(t, f, "dest")
	specs := map[string]kernel.SnapshotSpec{
		"by ID":   {SourceID: source.ID},
		"by UUID": {SourceUUID: source.UUID},
		"by path": {SourcePath: "source"},
		"by both": {SourceID: source.ID, SourceUUID: source.UUID},
	}
	for name, spec := range specs {
		spec.DestDir, spec.Name, spec.ReadOnly = "dest", name, name == "by UUID"
		s, err := f.Snapshot(spec)
		must(t, err)
		if s.Path != "dest/"+name || s.ParentUUID != source.UUID || s.ReadOnly != spec.ReadOnly || s.UUID.IsZero() || s.OTransID == 0 || s.OTime.IsZero() {
			t.Errorf("%s: %+v", name, s)
		}
		same, err := f.Info(s.ID)
		if err != nil || same.UUID != s.UUID || same.Path != s.Path || same.OTransID != s.OTransID || !same.OTime.Equal(s.OTime) || same.ReadOnly != s.ReadOnly {
			t.Errorf("%s: differs from Info: %+v, %+v, %v", name, s, same, err)
		}
		if b, err := os.ReadFile(loop.Path(s.Path, "file")); err != nil || string(b) != "x" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	// The source is found wherever it is.
	must(t, os.Rename(loop.Path("source"), loop.Path("renamed")))
	if s, err := f.Snapshot(kernel.SnapshotSpec{SourceUUID: source.UUID, DestDir: "dest", Name: "after rename"}); err != nil || s.ParentUUID != source.UUID {
		t.Error(err)
	}
	d, err := f.OpenDir("dest/by ID")
	must(t, err)
	defer d.Close()
	entries, err := d.ReadEntries()
	if err != nil || len(entries) != 2 || entries[1] != (kernel.Entry{Name: "nested", Type: kernel.EntryStub}) {
		t.Errorf("%v, %v", entries, err)
	}
	mkdir(t, f, "taken dir")
	create(t, f, "taken subvolume")
	must(t, f.WriteFileAtomic("taken file", nil, 0o600))
	must(t, os.Symlink("/tmp", loop.Path("link")))
	bad := []struct {
		what string
		spec kernel.SnapshotSpec
		want []error
	}{
		{"a directory has the name", kernel.SnapshotSpec{SourceID: source.ID, Name: "taken dir"}, []error{kernel.ErrExists, unix.EEXIST}},
		{"a subvolume has the name", kernel.SnapshotSpec{SourceID: source.ID, Name: "taken subvolume"}, []error{kernel.ErrExists}},
		{"a file has the name", kernel.SnapshotSpec{SourceID: source.ID, Name: "taken file"}, []error{kernel.ErrExists}},
		{"a link has the name", kernel.SnapshotSpec{SourceID: source.ID, Name: "link"}, []error{kernel.ErrExists}},
		{"no directory", kernel.SnapshotSpec{SourceID: source.ID, DestDir: "none", Name: "n"}, []error{kernel.ErrNotFound}},
		{"a link is the directory", kernel.SnapshotSpec{SourceID: source.ID, DestDir: "link", Name: "n"}, []error{kernel.ErrSymlink}},
		{"in a read-only snapshot", kernel.SnapshotSpec{SourceID: source.ID, DestDir: "dest/by UUID", Name: "n"}, []error{kernel.ErrReadOnly, unix.EROFS}},
		{"no source", kernel.SnapshotSpec{SourceID: 9999, Name: "n"}, []error{kernel.ErrNotFound}},
		{"no source with the UUID", kernel.SnapshotSpec{SourceUUID: kernel.UUID{9}, Name: "n"}, []error{kernel.ErrNotFound}},
		{"another UUID", kernel.SnapshotSpec{SourceID: source.ID, SourceUUID: nested.UUID, Name: "n"}, []error{kernel.ErrChanged}},
		{"a plain directory as the source", kernel.SnapshotSpec{SourcePath: "dest", Name: "n"}, []error{kernel.ErrNotSubvolume}},
		{"a slash in the name", kernel.SnapshotSpec{SourceID: source.ID, Name: "a/b"}, []error{kernel.ErrInvalid}},
		{"no name", kernel.SnapshotSpec{SourceID: source.ID}, []error{kernel.ErrInvalid}},
		{"dots in the path", kernel.SnapshotSpec{SourceID: source.ID, DestDir: "dest/..", Name: "n"}, []error{kernel.ErrInvalid}},
	}
	before, err := f.List()
	must(t, err)
	for _, c := range bad {
		_, err := f.Snapshot(c.spec)
		wantErr(t, c.what, err, c.want...)
	}
	if after, err := f.List(); err != nil || len(after) != len(before) {
		t.Errorf("%d subvolumes before the failures, %d after, %v", len(before), len(after), err)
	}
}

func TestCreateSubvolume(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 256 << 20})
	for _, name := range oddNames {
		s := create(t, f, name)
		if st, err := os.Stat(loop.Path(name)); err != nil || !st.IsDir() || s.Path != name {
			t.Errorf("%q: %v", name, err)
		}
	}
	if s := create(t, f, "plain//./inner/"); s.Path != "plain/inner" {
		t.Errorf("made at %q", s.Path)
	}
	_, err := f.CreateSubvolume("plain")
	wantErr(t, "the name is taken", err, kernel.ErrExists)
	_, err = f.CreateSubvolume("none/inner")
	wantErr(t, "no directory", err, kernel.ErrNotFound)
	for _, path := range []string{"", ".", "/abs", "a/../b", "nul\x00", string(make([]byte, 256)), fmt.Sprintf("%0256d", 0)} {
		_, err = f.CreateSubvolume(path)
		wantErr(t, path, err, kernel.ErrInvalid)
	}
}

func TestSnapshotTogetherIsOneTransaction(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	mkdir(t, f, ".private")
	var ids []uint64
	for i := range 4 {
		s := create(t, f, fmt.Sprint("source", i))
		ids = append(ids, s.ID)
		mkdir(t, f, fmt.Sprint("snaps/", i))
	}
	// A miss is possible at any time if the machine is busy otherwise; to miss all of the tries is not.
	const rounds, tries = 6, 10
	missed := 0
	for round := range rounds {
		for try := 0; ; try++ {
			var specs []kernel.SnapshotSpec
			for i, id := range ids {
				must(t, os.WriteFile(loop.Path(fmt.Sprint("source", i), "file"), fmt.Append(nil, round, try), 0o600))
				specs = append(specs, kernel.SnapshotSpec{SourceID: id, DestDir: fmt.Sprint("snaps/", i), Name: fmt.Sprint(round, "-", try), ReadOnly: true})
			}
			must(t, f.Sync())
			group := f.SnapshotTogether(".private", specs)
			must(t, group.MarkerErr)
			for i, r := range group.Results {
				if r.Err != nil || r.Subvolume.Path != specs[i].DestDir+"/"+specs[i].Name {
					t.Fatalf("%+v", r)
				}
			}
			transID, ok := group.OneTransaction()
			if ok {
				if transID != group.Results[0].Subvolume.OTransID {
					t.Errorf("the transaction is %d, expected %d", transID, group.Results[0].Subvolume.OTransID)
				}
				break
			}
			missed++
			if try == tries {
				t.Fatalf("round %d: %d tries, and never in one transaction", round, tries)
			}
		}
	}
	tally.Add(t, "%d groups in one transaction, %d misses", rounds, missed)
	if left, err := os.ReadDir(loop.Path(".private")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestSnapshotTogetherWithFailures(t *testing.T) {
	_, f := made(t, loopfs.Options{Size: 256 << 20})
	a, b := create(t, f, "a"), create(t, f, "b")
	mkdir(t, f, "snaps/a")
	mkdir(t, f, "snaps/b")
	create(t, f, "snaps/b/taken")
	group := f.SnapshotTogether("none", []kernel.SnapshotSpec{
		{SourceID: a.ID, DestDir: "snaps/a", Name: "x"},
		{SourceID: 9999, DestDir: "snaps/a", Name: "y"},
		{SourceID: b.ID, DestDir: "snaps/b", Name: "taken"},
	})
	wantErr(t, "no folder for the marker", group.MarkerErr, kernel.ErrNotFound)
	if r := group.Results[0]; r.Err != nil || r.Subvolume.ParentUUID != a.UUID {
		t.Errorf("%+v", r)
	}
	wantErr(t, "no source", group.Results[1].Err, kernel.ErrNotFound)
	wantErr(t, "the name is taken", group.Results[2].Err, kernel.ErrExists)
	if id, ok := group.OneTransaction(); !ok || id != group.Results[0].Subvolume.OTransID {
		t.Error(id, ok)
	}
}

func TestOneTransaction(t *testing.T) {
	ok := func(id uint64) kernel.SnapshotResult {
		return kernel.SnapshotResult{Subvolume: kernel.Subvolume{OTransID: id}}
	}
	failed := kernel.SnapshotResult{Err: errors.New("x")}
	cases := []struct {
		results []kernel.SnapshotResult
		id      uint64
		ok      bool
	}{
		{nil, 0, false},
		{[]kernel.SnapshotResult{failed}, 0, false},
		{[]kernel.SnapshotResult{ok(7)}, 7, true},
		{[]kernel.SnapshotResult{failed, ok(7), failed, ok(7)}, 7, true},
		{[]kernel.SnapshotResult{ok(7), ok(8), ok(7)}, 0, false},
	}
	for _, c := range cases {
		if id, ok := (kernel.SnapshotGroup{Results: c.results}).OneTransaction(); id != c.id || ok != c.ok {
			t.Errorf("%v: found %d, %v", c.results, id, ok)
		}
	}
}
