package boot

import (
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// presence is what is at a path.
type presence struct {
	Found bool
	Kind  kernel.EntryType
	kernel.Subvolume
	Empty bool // of what is at the stage of an intent: nothing is in it
}

// is reports whether it is the subvolume with that UUID; none is the zero one.
func (p presence) is(id kernel.UUID) bool { return p.subvolume() && !id.IsZero() && p.UUID == id }

func (p presence) subvolume() bool { return p.Found && p.Kind == kernel.EntrySubvolume }

// verdict says how far one place of an intent came, whatever has happened to it since.
type verdict string

const (
	// done: the new one is at the place, or somebody has put a third one there since. The old one is in the archive.
	done verdict = "done"
	// undone: what is at the place is not of this intent's making.
	undone verdict = "undone"
	// missing: nothing is at the place, as a tool leaves it that moves the root away before it makes another one.
	missing verdict = "missing"
	// conflict: what is at the place and in the archive can't be told apart by what the intent says.
	conflict verdict = "conflict"
)

// judge finds the verdict about a place, by the UUIDs of what is there now (at) and where the new one was to be made (stage).
func (m intentMember) judge(at, stage presence) verdict {
	switch {
	case !at.Found:
		return missing
	case !at.subvolume():
		return conflict
	case at.is(m.New):
		return done
	case at.is(m.Old):
		return undone
	case stage.is(m.Old): // exchanged, and replaced since
		return done
	case stage.is(m.New), m.made(stage): // replaced before the exchange
		return undone
	case !stage.Found && m.New.IsZero(): // nothing was made yet
		return undone
	}
	return conflict
}

// made reports whether what is at the stage can only be the new one, although its UUID was not written down yet: the name is of
// this intent alone.
func (m intentMember) made(stage presence) bool {
	return m.New.IsZero() && m.Kind != staged && stage.subvolume() && !stage.ReadOnly && stage.ParentUUID == m.From && stage.UUID != m.Old &&
		(!m.From.IsZero() || stage.Empty) // without a parent only what is empty is surely ours
}

// abandons reports whether what is at the stage is a new one that never came to its place. One that was staged on request is still
// wanted.
func (m intentMember) abandons(v verdict, stage presence) bool {
	return (v == undone || v == missing) && m.Kind != staged && (stage.is(m.New) || m.made(stage))
}

// recovered is what has become of one place of an intent.
type recovered struct {
	Place   string
	Verdict verdict
	Abandon *archived // the record to write; nil: none
}

// seen is what is at a place of an intent and where its new one was to be made.
type seen struct{ At, Stage presence }

// recoverIntent judges all places of the intent in s, and returns the state as it is to be afterwards, without the intent. In the
// order of the intent's places.
func recoverIntent(s state, all []seen) (state, []recovered) {
	if s.Intent == nil {
		return s, nil
	}
	i := *s.Intent
	s.Intent = nil
	var out []recovered
	whole := true
	for n, m := range i.Places {
		v := m.judge(all[n].At, all[n].Stage)
		r := recovered{Place: m.Place, Verdict: v}
		if m.abandons(v, all[n].Stage) {
			a := m.record(i, all[n].Stage.UUID)
			a.Abandoned, a.Changed = true, all[n].Stage.CTransID
			r.Abandon = &a
		}
		if v == done && all[n].At.is(m.New) {
			s = s.withFresh(m.fresh())
		}
		whole = whole && v == done
		out = append(out, r)
	}
	if whole {
		s = s.finished(i)
	}
	return s, out
}

// record is that of what lies where the new one was made.
func (m intentMember) record(i intent, id kernel.UUID) archived {
	return archived{Schema: schema, UUID: id, Place: m.Place, Path: m.Archive, Sequence: i.Sequence, Boot: i.Boot, At: i.At, Trusted: i.Trusted}
}

func (m intentMember) fresh() fresh {
	return fresh{Place: m.Place, UUID: m.New, Changed: m.NewChanged, From: m.From, FromChanged: m.FromChanged}
}

// finished is the state after all that an intent has set out to do.
func (s state) finished(i intent) state {
	for _, m := range i.Places {
		s = s.withFresh(m.fresh())
		if m.Place == i.Root && !m.Old.IsZero() {
			s.Previous = m.Old
		}
	}
	return s.ended(i.Boot, i.What, last{Boot: i.Boot, At: i.At, What: i.What})
}

// ended is the state after a boot that came to a result.
func (s state) ended(boot, what string, l last) state {
	s.Intent, s.Last = nil, l
	switch what {
	case rolledBack, reused:
		s.Unconfirmed++
	case fellBack:
		s.Off = &off{Since: l.At, Confirm: true, Why: fmt.Sprintf("%d boots in a row were not confirmed, and the last confirmed root has come back", s.Unconfirmed)}
		s.Unconfirmed = 0
	case usedOnce:
		s.Unconfirmed = 0
	case used:
		s.Off = &off{Since: l.At, Why: "an archive was put back to stay"}
		s.Unconfirmed = 0
	}
	return s
}

// Results.
const (
	rolledBack = "rolled-back"
	reused     = "reused"
	fellBack   = "fell-back"
	used       = "used"
	usedOnce   = "used-once"
	already    = "done"
	skipped    = "skipped"
)
