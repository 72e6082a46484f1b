package subvolume

import (
	"bytes"
	"slices"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// What coppice's records allow.

// MayTouch says why the filesystem's records can't be used, so that nothing may be done on their ground.
func (v *View) MayTouch() error { return v.m.mayTouch() }

// MayDelete says why nothing at all may be deleted. A hold switch is no error, see Held.
func (v *View) MayDelete() error { return v.m.mayDelete() }

// Unreadable is what of the records can't be read, so that something may be missing in the View.
func (v *View) Unreadable() []error {
	return slices.Concat(v.m.state.corrupt, v.m.state.unheld)
}

// AllRecorded says why the View may not have all managed snapshots, or takes some for unmanaged: the records can't be used, or one
// of them can't be read.
func (v *View) AllRecorded() error {
	if err := v.m.mayTouch(); err != nil {
		return err
	}
	if len(v.m.state.corrupt) > 0 {
		return volume.Refuse("look at it, and remove it if it is worth nothing", "a record of snapshots can't be read: %v", v.m.state.corrupt[0])
	}
	return nil
}

// What guards subvolumes: a View needs Look.Guards to tell.

// Held is the reason that every subvolume stays, if a hold switch is on.
func (v *View) Held() string { return v.m.held() }

// IsDefault reports whether it is the default subvolume.
func (v *View) IsDefault(k Known) bool {
	if k.Planned || v.m.defaultPath != "" {
		return k.Path == v.m.defaultPath
	}
	return k.ID == v.m.defaultID
}

// Default is the default subvolume; false: the top level.
func (v *View) Default() (Known, bool) {
	for _, s := range v.m.subvolumes {
		if k := knownOf(s); v.IsDefault(k) {
			return k, true
		}
	}
	return Known{}, false
}

// Mounted says where it is mounted, in words; "": nowhere.
func (v *View) Mounted(k Known) string {
	if k.Planned {
		return ""
	}
	return v.m.mounted[k.ID]
}

// Receiving reports whether somebody receives into it at this moment: it is not whole, and whoever does so needs it.
func (v *View) Receiving(k Known) bool { return !k.Planned && v.m.receiving[k.Path] }

// Pins are the holds on it, whether or not they have ended.
func (v *View) Pins(k Known) volume.Holds {
	return v.m.holdsOf(subvolume{Subvolume: k.Subvolume, planned: k.Planned})
}

// Orphan is a hold on a subvolume that does not exist any more.
type Orphan struct {
	UUID  kernel.UUID // of the subvolume
	Holds volume.Holds
}

// Orphans are all of them, sorted by UUID. They hold nothing: a UUID never comes back.
func (v *View) Orphans() []Orphan {
	var all []Orphan
	for id, holds := range v.m.state.holds {
		if _, there := v.m.withUUID(id); !there && len(holds) > 0 {
			all = append(all, Orphan{id, holds})
		}
	}
	slices.SortFunc(all, func(a, b Orphan) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	return all
}

// Pinned says which holds are on it, those of earlier steps too; "": none that has not ended.
func (v *View) Pinned(k Known, instant time.Time) string {
	clock := v.m.trust("system", instant)
	if h := v.Pins(k); len(h) > 0 && !h.Over(clock.Now, clock.Trusted) {
		return h.String()
	}
	return ""
}

// Last reports of which sources no valid snapshot would be left if these were gone.
func (v *View) Last(going []Known, instant time.Time) []string {
	clock := v.m.trust("system", instant)
	gone := map[string]bool{}
	for _, k := range going {
		gone[k.Path] = true
	}
	left, hit := map[string]bool{}, map[string]bool{}
	var all []string
	for _, s := range v.m.subvolumes {
		switch {
		case !s.managed():
		case gone[s.Path] && !hit[s.source]:
			hit[s.source] = true
			all = append(all, s.source)
		case !gone[s.Path] && v.m.valid(s, clock):
			left[s.source] = true
		}
	}
	last := all[:0]
	for _, source := range all {
		if !left[source] {
			last = append(last, source)
		}
	}
	return last
}
