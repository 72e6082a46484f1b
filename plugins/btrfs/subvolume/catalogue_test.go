package subvolume

import (
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

func TestCatalogueFinds(t *testing.T) {
	stamp := StampOf(fakeNow)
	place := "snapshots/root/" + stamp
	sub := kernel.Subvolume{Path: place, UUID: fakeID(1), ParentUUID: fakeID(2)}
	for name, c := range map[string]struct {
		member member
		stamp  string
		want   bool
	}{
		"the same UUID":                  {member{Path: place, UUID: fakeID(1)}, stamp, true},
		"the same UUID, moved":           {member{Path: "elsewhere", UUID: fakeID(1)}, stamp, true},
		"another UUID at its place":      {member{Path: place, UUID: fakeID(3), SourceUUID: fakeID(2)}, stamp, false},
		"no UUID yet":                    {member{Path: place, SourceUUID: fakeID(2)}, stamp, true},
		"no UUID yet, of another source": {member{Path: place, SourceUUID: fakeID(3)}, stamp, false},
		"no UUID yet, another place":     {member{Path: "x/" + stamp, SourceUUID: fakeID(2)}, stamp, false},
		"no UUID yet, another stamp":     {member{Path: place, SourceUUID: fakeID(2)}, stampBefore(1), false},
	} {
		cat := newCatalogue()
		cat.add("x.json", record{Stamp: c.stamp, Members: []member{c.member}})
		if _, ok := cat.find(sub); ok != c.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
	cat := newCatalogue()
	cat.add("x.json", record{Stamp: stamp, Members: []member{{Path: place}}})
	if _, ok := cat.find(kernel.Subvolume{Path: "x"}); ok {
		t.Error("a subvolume without UUID is found")
	}
}

func TestCatalogueEmpty(t *testing.T) {
	cat := newCatalogue()
	cat.add("gone", record{Members: []member{{Path: "a", UUID: fakeID(1)}, {Path: "b", UUID: fakeID(2)}}})
	cat.add("half", record{Members: []member{{Path: "c", UUID: fakeID(3)}, {Path: "d", UUID: fakeID(4)}}})
	cat.add("no UUID, there", record{Members: []member{{Path: "e", SourceUUID: fakeID(9)}}})
	cat.add("no UUID, gone", record{Members: []member{{Path: "f", SourceUUID: fakeID(9)}}})
	cat.add("none", record{})
	there := []subvolume{{Subvolume: kernel.Subvolume{Path: "a", UUID: fakeID(7)}}, {Subvolume: kernel.Subvolume{Path: "moved", UUID: fakeID(4)}},
		{Subvolume: kernel.Subvolume{Path: "e", UUID: fakeID(8)}}}
	rig.Same(t, "empty records", cat.empty(there), []string{"gone", "no UUID, gone", "none"})
}

func TestRecordRoundTrip(t *testing.T) {
	r := record{Run: "a", Stamp: StampOf(fakeNow), TakenBy: "btrfs.snapshot", Members: []member{
		{Path: "snapshots/a\nb/" + StampOf(fakeNow), Source: "a\nb", SourceUUID: fakeID(1)},
		{Path: "snapshots/ü/" + StampOf(fakeNow), Source: "ü", SourceUUID: fakeID(1), UUID: fakeID(2), Writable: true},
	}}
	got, err := decodeRecord(encodeRecord(r))
	if err != nil {
		t.Fatal(err)
	}
	rig.Same(t, "record", got, r)
	if strings.Contains(string(encodeRecord(record{Stamp: r.Stamp, Members: r.Members[:1]})), `"uuid"`) {
		t.Error("an unknown UUID is written")
	}
	stamp := `"stamp":"` + r.Stamp + `"`
	for _, bad := range []string{
		"", "[]", "{}", "{" + stamp + "} x", "{" + stamp + `,"members":[{}]}`,
		"{" + stamp + `,"members":[{"path":"/a","source":"a","source_uuid":"` + fakeUUID + `"}]}`,
		"{" + stamp + `,"members":[{"path":"a/../b","source":"a","source_uuid":"` + fakeUUID + `"}]}`,
		"{" + stamp + `,"members":[{"path":"a","source":"","source_uuid":"` + fakeUUID + `"}]}`,
		"{" + stamp + `,"members":[{"path":"a","source":"a"}]}`,
		"{" + stamp + `,"members":[{"path":"a","source":"a","uuid":"1"}]}`,
	} {
		if _, err := decodeRecord([]byte(bad)); err == nil {
			t.Errorf("%q is a record", bad)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(encodeRecord(record{Run: "a", Stamp: StampOf(fakeNow), Members: []member{{Path: "a/b", Source: "c", UUID: fakeID(1)}}}))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			return
		}
		again, err := decodeRecord(encodeRecord(r))
		if err != nil || rig.Show(again) != rig.Show(r) {
			t.Errorf("%q becomes %s, then %s, %v", data, rig.Show(r), rig.Show(again), err)
		}
	})
}

func TestRecordName(t *testing.T) {
	seen := map[string]string{}
	for _, run := range []string{"", "a", "a/b", "a_b", "../x", "ä", strings.Repeat("x", 300), strings.Repeat("x", 301), "20261024-abc"} {
		name := recordName(StampOf(fakeNow), run)
		if other, taken := seen[name]; taken || strings.ContainsAny(name, "/\x00") || len(name) > volume.NameMax || !strings.HasSuffix(name, volume.RecordSuffix) {
			t.Errorf("%q and %q: %q", run, other, name)
		}
		seen[name] = run
	}
}
