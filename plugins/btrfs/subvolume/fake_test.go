package subvolume

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// fakeNow is the instant of a run on a fake machine.
var fakeNow = time.Date(2026, 10, 24, 6, 0, 0, 0, time.UTC)

const fakeUUID = "00000000-0000-0000-0000-0000000000f5"

// fake is a machine without a filesystem.
func fake() *machine {
	m := &machine{
		uuid: fakeUUID, defaultID: kernel.TopLevelID, mounted: map[uint64]string{}, things: map[string]thing{},
		folders: map[string]listing{}, state: state{catalogue: newCatalogue(), holds: map[kernel.UUID]volume.Holds{}},
	}
	m.settle()
	return m
}

func fakeID(n int) kernel.UUID { return kernel.UUID{14: byte(n >> 8), 15: byte(n)} }

// with adds subvolumes at these paths.
func (m *machine) with(paths ...string) *machine {
	for _, p := range paths {
		n := len(m.subvolumes) + 1
		m.subvolumes = append(m.subvolumes, subvolume{Subvolume: kernel.Subvolume{
			ID: 256 + uint64(n), ParentID: kernel.TopLevelID, Path: p, UUID: fakeID(n), OTime: fakeNow.Add(-1000 * time.Hour), OTransID: uint64(n),
		}})
		m.settle()
	}
	return m
}

// taken adds snapshots of a source, and their records, of that many hours ago.
func (m *machine) taken(source string, hours ...int) *machine {
	for _, h := range hours {
		at := fakeNow.Add(-time.Duration(h) * time.Hour)
		path := "snapshots/" + FolderOf(source) + "/" + StampOf(at)
		m.with(path)
		s, _ := m.at(path)
		m.change(path, func(s *subvolume) { s.ReadOnly, s.OTime, s.OTransID = true, at.Add(time.Second), uint64(100000-h) })
		m.state.catalogue.add(fmt.Sprintf("%s-%d.json", StampOf(at), len(m.subvolumes)), record{
			Run: "earlier", Stamp: StampOf(at), Members: []member{{Path: path, Source: source, UUID: s.UUID}},
		})
		m.folders["snapshots"], m.folders[volume.ParentOf(path)] = listing{found: true}, listing{found: true}
		m.settle()
	}
	return m
}

func (m *machine) change(path string, how func(*subvolume)) *machine {
	how(&m.subvolumes[m.byPath[path]])
	m.settle()
	return m
}

// naming makes the inputs name these sources.
func (m *machine) naming(paths ...string) *machine {
	for _, p := range paths {
		m.sources = append(m.sources, source{given: p, path: p})
	}
	return m
}

func stampBefore(hours int) string { return StampOf(fakeNow.Add(-time.Duration(hours) * time.Hour)) }

// lines are the parts of a plan that people see.
func lines(changes []sdk.Change, kept []sdk.Kept, told []sdk.Diagnostic) []string {
	all := []string{}
	for _, c := range changes {
		all = append(all, fmt.Sprintf("%s %s: %s [%s]", c.Kind, c.Resource.Name, c.Summary, c.Reason))
	}
	for _, k := range kept {
		all = append(all, fmt.Sprintf("keep %s: %s", k.Resource.Name, k.Reason))
	}
	for _, d := range told {
		all = append(all, fmt.Sprintf("%s %s: %s", d.Severity, d.Path, d.Summary))
	}
	return all
}
