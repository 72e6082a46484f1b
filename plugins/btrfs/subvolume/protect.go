package subvolume

import (
	"cmp"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/retention"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// protection is a reason for which a snapshot must stay whatever any rule says.
type protection struct {
	flag  string    // short, for the facts of a plan
	words string    // for the user
	until time.Time // when it ends by itself; zero: never, or nobody knows
}

// protections returns all of them. A hold that has ended is none.
func (m *machine) protections(s subvolume, clock clock) []protection {
	var all []protection
	if h := m.holdsOf(s); len(h) > 0 && !h.Over(clock.Now, clock.Trusted) {
		all = append(all, protection{flag: "pinned", words: h.String(), until: endOf(h)})
	}
	if s.planned {
		return all
	}
	if where, ok := m.mounted[s.ID]; ok {
		all = append(all, protection{flag: "mounted", words: where})
	}
	if s.ID == m.defaultID {
		all = append(all, protection{flag: "default", words: "default subvolume"})
	}
	if m.parents[s.ID] {
		all = append(all, protection{flag: "nesting", words: "holds other subvolumes"})
	}
	return all
}

// endOfAll is when the last of these protections ends; zero: never, or nobody knows.
func endOfAll(all []protection) time.Time {
	var end time.Time
	for _, p := range all {
		if p.until.IsZero() {
			return time.Time{}
		}
		if p.until.After(end) {
			end = p.until
		}
	}
	return end
}

// endOf is when the last of these holds ends; zero: never.
func endOf(all volume.Holds) time.Time {
	var end time.Time
	for _, h := range all {
		if h.Until.IsZero() {
			return time.Time{}
		}
		if h.Until.After(end) {
			end = h.Until
		}
	}
	return end
}

// takenAt is when a snapshot counts as taken: when it was created, or the sender says it was. One with the stamp of this very run counts as taken at
// the run's instant, so that it falls into the same bucket in a preview, where it does not exist yet. One that was taken
// while the clock could not be believed counts as taken with the first one after it that was taken with a trusted clock;
// while there is none its time is zero.
//
// Without a clock to believe now, times are only shown: then it is the creation time.
func (m *machine) takenAt(s subvolume, clock clock) time.Time {
	switch {
	case ofThisRun(s, clock.Now):
		return clock.Now.UTC()
	case s.untrusted && clock.Trusted:
		var next subvolume
		for _, other := range m.subvolumes {
			if other.managed() && !other.untrusted && other.OTransID > s.OTransID && (next.OTransID == 0 ||
				cmp.Or(cmp.Compare(other.OTransID, next.OTransID), other.OTime.Compare(next.OTime)) < 0) {
				next = other
			}
		}
		if next.OTransID == 0 {
			return time.Time{}
		}
		return next.taken()
	}
	return s.taken()
}

// taken is when a snapshot was taken, by the clock of the machine that took it.
func (s subvolume) taken() time.Time {
	if !s.sent.IsZero() {
		return s.sent.UTC()
	}
	return s.OTime.UTC()
}

// ofThisRun reports whether a snapshot has the stamp of the run that asks.
func ofThisRun(s subvolume, instant time.Time) bool { return s.Name() == StampOf(instant) }

// fact identifies a snapshot in the facts of a plan, the same in a preview, where it may not exist yet: one with the stamp of this run
// by its path, a copy by what it is a copy of.
func (s subvolume) fact(instant time.Time) string {
	switch {
	case ofThisRun(s, instant):
		return s.Path
	case s.origin != "":
		return "copy of " + s.origin
	}
	return s.key()
}

// valid reports whether a snapshot counts as one that something can be restored from: its creation time can be true, as
// package retention sees it.
func (m *machine) valid(s subvolume, clock clock) bool {
	taken := m.takenAt(s, clock)
	return taken.Unix() > 0 && !(clock.Trusted && taken.After(clock.Now.Add(retention.FutureTolerance)))
}
