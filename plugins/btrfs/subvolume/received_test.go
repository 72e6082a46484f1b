package subvolume

import (
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// What was received is managed by its record, its name and the UUID of the original; its age is that of the original.
func TestJudgeReceived(t *testing.T) {
	const stamp = "20261024T060000.000Z"
	here, origin := kernel.UUID{1}, kernel.UUID{2}
	m := machine{state: state{catalogue: newCatalogue()}}
	m.state.catalogue.add("record", record{Stamp: stamp, Members: []member{{Path: "to/root/" + stamp, Source: "root", UUID: here, Received: origin}}})
	good := kernel.Subvolume{ID: 300, Path: "to/root/" + stamp, UUID: here, ReceivedUUID: origin, ReadOnly: true, OTime: time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)}
	for want, change := range map[string]func(*kernel.Subvolume){
		"":                                       func(*kernel.Subvolume) {},
		"it is writable":                         func(s *kernel.Subvolume) { s.ReadOnly = false },
		"it is not the copy that was received":   func(s *kernel.Subvolume) { s.ReceivedUUID = kernel.UUID{} },
		"its name is not that of the snapshot":   func(s *kernel.Subvolume) { s.Path = "to/root/20261024T070000.000Z" },
		"its name is not a stamp":                func(s *kernel.Subvolume) { s.Path = "to/root/mine" },
		"it is not in a folder":                  func(s *kernel.Subvolume) { s.Path = "to/other/" + stamp },
		"coppice has no record of having taken ": func(s *kernel.Subvolume) { s.UUID = kernel.UUID{9} },
	} {
		s := good
		change(&s)
		if _, got := m.judge(s); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q, expected %q", got, want)
		}
	}
	m.subvolumes = []subvolume{{Subvolume: good}}
	m.settle()
	if got := m.takenAt(m.subvolumes[0], clock{Now: time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC), Trusted: true}); StampOf(got) != stamp {
		t.Errorf("taken at %v", got)
	}
	if _, err := decodeRecord(encodeRecord(record{Stamp: stamp, Members: []member{{Path: "a", Source: "a", Received: origin}}})); err == nil {
		t.Error("a received member without a UUID is accepted")
	}
}
