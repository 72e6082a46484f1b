package subvolume

import (
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func made(m *machine, path string, a attributes) sdk.Change {
	return sdk.Change{Kind: sdk.Create, Resource: m.resource(path, ""), After: a.encode()}
}

func updated(m *machine, path string, after Properties) sdk.Change {
	s, ok := m.at(path)
	id := ""
	if ok {
		id = s.id()
	}
	return UpdateOf(m.resource(path, id), "", Properties{}, after)
}

func removed(m *machine, path string) sdk.Change {
	s, _ := m.at(path)
	return sdk.Change{Kind: sdk.Delete, Resource: m.resource(path, s.id())}
}

func (m *machine) paths() []string {
	all := []string{}
	for _, s := range m.subvolumes {
		all = append(all, s.Path)
	}
	return all
}

func renamed(path string) Properties { return Properties{Path: &path} }

// What changes of subvolumes mean for those that come later, and where their content is until then.
func TestOverlayOfUpdates(t *testing.T) {
	yes := true
	m := fake().with("a", "a/in", "ab", "z")
	a, _ := m.at("a")
	m.overlay([]sdk.Change{
		updated(m, "a", renamed("z/b")),
		updated(m, "a/in", renamed("in")),
		made(m, "a", attributes{}),
		made(m, "snap", attributes{ParentUUID: a.UUID.String(), ReadOnly: true}),
		{Kind: sdk.Update, Resource: m.resource("a", ""), After: Encode(Properties{ReadOnly: &yes, Shape: Shape{Compression: "zstd"}})},
		{Kind: sdk.Update, Resource: m.resource("z", fakeID(9).String()), After: Encode(Properties{ReadOnly: &yes})}, // another one
		{Kind: sdk.Update, Resource: sdk.Resource{Type: FileType, Scope: m.uuid, Name: "z/b/file"}, After: Encode(Shape{NoCow: &yes})},
		{Kind: sdk.Update, Resource: sdk.Resource{Type: volume.FilesystemType, Scope: m.uuid, Name: "quotas"}, After: Encode(FilesystemProperties{Quotas: "simple"})},
		{Kind: sdk.Update, Resource: sdk.Resource{Type: volume.FilesystemType, Scope: "another one"}, After: Encode(FilesystemProperties{Quotas: "off"})},
		updated(m, "z", renamed("y")),
	})
	rig.Same(t, "paths", m.paths(), []string{"a", "ab", "in", "snap", "y", "y/b"})
	for path, want := range map[string]string{
		"y/b/dir": "a/dir", "y": "z", "y/b": "a", "in": "a/in", "ab/x": "ab/x", "folder": "folder", "snap/dir": "a/dir", // a place that is now elsewhere
	} {
		if got, ok := m.onDisk(path); !ok || got != want {
			t.Errorf("%q is at %q, %v; expected %q", path, got, ok, want)
		}
	}
	for _, path := range []string{"a/dir", "a", "y/b/in", "y/b/in/x", "z/dir", "z"} { // made or moved away: nothing is there
		if got, ok := m.onDisk(path); ok {
			t.Errorf("%q is at %q", path, got)
		}
	}
	planned, _ := m.at("a")
	moved, _ := m.at("y/b")
	other, _ := m.at("y")
	if !planned.ReadOnly || planned.shape.Compression != "zstd" || moved.ReadOnly || other.ReadOnly || moved.ParentID != other.ID {
		t.Errorf("%+v\n%+v\n%+v", planned, moved, other)
	}
	if m.quotas != "simple" || m.files["y/b/file"].NoCow == nil || len(m.files) != 1 {
		t.Errorf("%q, %+v", m.quotas, m.files)
	}
}

// The default subvolume, one that is planned too, wherever it is moved.
func TestOverlayOfDefault(t *testing.T) {
	choose := func(m *machine, path, id string) sdk.Change {
		return sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Type: volume.FilesystemType, Scope: m.uuid, Name: "default subvolume"},
			After: Encode(FilesystemProperties{Default: &path, DefaultUUID: id})}
	}
	m := fake().with("a", "b")
	a, _ := m.at("a")
	v := &View{m: m}
	if _, is := v.Default(); is {
		t.Error("it is not the top level")
	}
	m.overlay([]sdk.Change{choose(m, "a", a.id()), updated(m, "a", renamed("c"))})
	if s, _ := v.Default(); s.Path != "c" || m.defaultID != a.ID {
		t.Errorf("%+v", s)
	}
	m.overlay([]sdk.Change{made(m, "n", attributes{}), choose(m, "n", ""), {Kind: sdk.Update, Resource: m.resource("n", ""), After: Encode(renamed("o"))}})
	if s, is := v.Default(); !is || s.Path != "o" {
		t.Errorf("%+v", s)
	}
	m.overlay([]sdk.Change{choose(m, "/", "")})
	if s, is := v.Default(); is || m.defaultID != kernel.TopLevelID {
		t.Errorf("%+v", s)
	}
}

// What a snapshot is worth does not change because a subvolume beside it does.
func TestOverlayKeepsSnapshots(t *testing.T) {
	m := fake().with("root").taken("root", 1, 2, 3)
	before := len(m.snapshotsOf("root", "snapshots"))
	m.overlay([]sdk.Change{updated(m, "root", renamed("old"))})
	if got := len(m.snapshotsOf("root", "snapshots")); got != before || before != 3 {
		t.Errorf("%d of %d snapshots", got, before)
	}
	m.overlay([]sdk.Change{removed(m, m.paths()[1])})
	if got := len(m.snapshotsOf("root", "snapshots")); got != 2 {
		t.Errorf("%d snapshots", got)
	}
}
