package subvolume

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func TestManaged(t *testing.T) {
	path := "snapshots/root/" + stampBefore(3)
	for want, change := range map[string]func(*subvolume){
		"":                     func(*subvolume) {},
		"no record":            func(s *subvolume) { s.UUID = fakeID(99) },
		"writable":             func(s *subvolume) { s.ReadOnly = false },
		"not a stamp":          func(s *subvolume) { s.Path += "-keep" },
		`a folder "root"`:      func(s *subvolume) { s.Path = strings.Replace(s.Path, "/root/", "/home/", 1) },
		"creation time, 2026":  func(s *subvolume) { s.OTime = s.OTime.Add(25 * time.Hour) },
		"creation time, 2026-": func(s *subvolume) { s.OTime = s.OTime.Add(-time.Hour) },
	} {
		m := fake().with("root").taken("root", 3).change(path, change)
		for _, s := range m.subvolumes {
			if s.ID == 258 && (s.managed() != (want == "") || !strings.Contains(s.unmanaged, want)) {
				t.Errorf("expected %q, found %q", want, s.unmanaged)
			}
		}
	}
	m := fake().with("root")
	if s, _ := m.at("root"); s.managed() {
		t.Error("a source is managed")
	}
}

func TestProtections(t *testing.T) {
	m := fake().taken("root", 3, 2, 1)
	s, _ := m.at("snapshots/root/" + stampBefore(2))
	trusted := clock{Now: fakeNow, Trusted: true}
	if all := m.protections(s, trusted); len(all) != 0 {
		t.Errorf("%v", all)
	}
	m.mounted[s.ID], m.defaultID = "mounted at /x", s.ID
	m.with(s.Path+"/nested").change(s.Path+"/nested", func(n *subvolume) { n.ParentID = s.ID })
	m.state.holds[s.UUID] = volume.Holds{{Reason: "why", Until: fakeNow.Add(-1)}}
	flags := func(c clock) string {
		var all []string
		for _, p := range m.protections(s, c) {
			all = append(all, p.flag)
		}
		return strings.Join(all, " ")
	}
	rig.Same(t, "flags", flags(trusted), "mounted default nesting")
	rig.Same(t, "flags without a clock", flags(clock{Now: fakeNow}), "pinned mounted default nesting")
}

func TestTrust(t *testing.T) {
	month := 30 * 24
	for name, c := range map[string]struct {
		m     *machine
		input string
		why   string
	}{
		"no snapshots":                    {fake(), "system", ""},
		"not synchronised":                {&machine{unsynced: "unset"}, "system", "unset"},
		"not synchronised, hardware":      {&machine{unsynced: "unset"}, "rtc", ""},
		"an hour after the newest":        {fake().taken("root", 5, 1), "system", ""},
		"a year after the newest":         {fake().taken("root", 12*month), "system", ""},
		"more than a year after":          {fake().taken("root", 13*month), "rtc", "more than a year after \"snapshots/root/"},
		"an hour before the newest":       {fake().taken("root", -1), "rtc", "it says 2026-10-24 06:00 UTC, but"},
		"this run's does not count":       {fake().taken("root", 13*month).taken("home", 0), "rtc", "more than a year"},
		"a foreign one does not count":    {fake().with("x").change("x", func(s *subvolume) { s.OTime = fakeNow.Add(9 * time.Hour) }), "system", ""},
		"two minutes before, in rounding": {fake().taken("root", 1).change("snapshots/root/"+stampBefore(1), func(s *subvolume) { s.OTime = fakeNow.Add(2 * time.Minute) }), "system", ""},
	} {
		got := c.m.trust(c.input, fakeNow)
		if got.Trusted != (c.why == "") || !strings.Contains(got.Why, c.why) || !got.Now.Equal(fakeNow) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestOverlay(t *testing.T) {
	after := attributes{Source: "root", ParentUUID: fakeID(1).String(), ReadOnly: true, Managed: true, Created: fakeNow}.encode()
	create := func(path string, after json.RawMessage) sdk.Change {
		return sdk.Change{Kind: sdk.Create, Resource: sdk.Resource{Type: volume.ResourceType, Scope: fakeUUID, Name: path}, After: after}
	}
	remove := func(path, id string) sdk.Change {
		return sdk.Change{Kind: sdk.Delete, Resource: sdk.Resource{Type: volume.ResourceType, Scope: fakeUUID, Name: path, ID: id}}
	}
	planned := "snapshots/root/" + StampOf(fakeNow)
	elsewhere := create("b", after)
	elsewhere.Resource.Scope = "another"
	other := create("c", after)
	other.Resource.Type = "systemd.unit"
	for name, c := range map[string]struct {
		prior []sdk.Change
		want  string
	}{
		"nothing":                               {nil, "a root"},
		"other filesystems and things":          {[]sdk.Change{elsewhere, other, {Kind: sdk.Run, Resource: sdk.Resource{Type: volume.ResourceType, Scope: fakeUUID, Name: "a"}}}, "a root"},
		"a snapshot":                            {[]sdk.Change{create(planned, after)}, "a root " + planned},
		"a place that is taken":                 {[]sdk.Change{create("a", after)}, "a root"},
		"of another plugin":                     {[]sdk.Change{create("x", nil)}, "a root x"},
		"deleted by UUID, whatever its name":    {[]sdk.Change{remove("x", fakeID(1).String())}, "a"},
		"no UUID deletes nothing that exists":   {[]sdk.Change{remove("a", "")}, "a root"},
		"another UUID deletes nothing":          {[]sdk.Change{remove("a", fakeUUID)}, "a root"},
		"made, deleted and made again":          {[]sdk.Change{create("x", after), remove("x", ""), create("x", after)}, "a root x"},
		"deleted, and another one in its place": {[]sdk.Change{remove("root", fakeID(1).String()), create("root", after)}, "a root"},
	} {
		m := fake().with("root", "a")
		m.overlay(c.prior)
		var paths []string
		for _, s := range m.subvolumes {
			paths = append(paths, s.Path)
		}
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
	m := fake().with("root")
	m.overlay([]sdk.Change{create(planned, after), create("x", nil)})
	s, _ := m.at(planned)
	if !s.planned || !s.managed() || s.source != "root" || !s.ReadOnly || !s.OTime.Equal(fakeNow) || s.OTransID != plannedSeq || s.key() != planned || s.id() != "" ||
		s.ParentUUID != fakeID(1) {
		t.Errorf("planned: %+v", s)
	}
	if x, _ := m.at("x"); x.managed() || !x.planned {
		t.Errorf("of another plugin: %+v", x)
	}
	if _, ok := m.withUUID(kernel.UUID{}); ok {
		t.Error("a planned one has a UUID")
	}
}
