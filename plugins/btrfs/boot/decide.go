package boot

import (
	"fmt"
	"path"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// member is a place and what is there.
type member struct {
	Place   string
	Now     presence
	Mounted string // where, in words; "": nowhere
	Default bool   // it is the default subvolume
	Sealed  string // the read-only subvolume that the place lies in; "": none
	Adrift  bool   // the folder that the place lies in is not there
}

// scene is what a decision about a filesystem rests on.
type scene struct {
	UUID, Name string
	ReadOnly   bool
	Held       bool  // .coppice/hold
	Problem    error // coppice's records can't be used
	State      state
	Intent     []seen   // one for each place of State.Intent
	Members    []member // the root is the last one
	SameRoot   bool     // what the machine mounts as its root is on this filesystem

	Blank   presence
	Clean   bootable // what a clean root would have
	Present bootable // what the root has
	Loses   []string // of identity: in the root, not in the blank, and not acknowledged

	Archive       presence
	ArchiveSealed string
	Room          int64 // bytes that metadata can still grow by

	Skip     bool
	Use      *use
	Staged   presence // of Use, wherever it is
	Good     presence // the last confirmed root, wherever it is
	Previous presence // what was archived last, wherever it is
}

func (s scene) root() member { return s.Members[len(s.Members)-1] }

// decision is what is done.
type decision struct {
	Result string
	Why    string
	// Recovered is what has become of an intent that was not finished; Settled is the state with that.
	Recovered []recovered
	Settled   state
	Intent    *intent  // what is exchanged; nil: nothing is
	Source    string   // of the root's new one, if it is a copy or staged: the path
	Reused    []string // places that are clean still
	Consumed  []string // requests that are met then
}

// roomNeeded is what all this writes at the very most: some tree nodes, in two copies.
const roomNeeded = 4 << 20

// decide decides. Trips that are no failure are a decision to skip; the others are returned, and nothing may be done.
func decide(c circumstances, s scene, in RollbackInput, instant time.Time) (decision, []trip) {
	d := decision{}
	if s.Problem != nil {
		return d, []trip{{Words: s.Problem.Error()}}
	}
	if s.Held {
		d.Settled = s.State
		return d.skip("switched off by " + volume.HoldPath + " on the filesystem"), nil
	}
	d.Settled, d.Recovered = recoverIntent(s.State, s.Intent)
	if d.Settled.Last.Boot == c.Boot {
		d.Result = already
		return d, nil
	}
	if all := s.untouchable(c, in, d.Recovered); len(all) > 0 {
		return d, all
	}
	if s.Skip {
		d.Consumed = []string{skipPath}
		return d.skip("this boot was asked to be skipped, by " + skipPath), nil
	}
	root := s.root()
	switch {
	case s.Use != nil && root.Now.is(s.Use.Staged): // it is met already
		d.Consumed = append(d.Consumed, usePath)
	case s.Use != nil && !s.Staged.subvolume():
		return d, []trip{{Words: fmt.Sprintf("the copy of %s that this boot was asked to use is not there any more", s.Use.Of),
			Advice: "ask for it again, or take the request back: \"coppice boot cancel\""}}
	case s.Use != nil && s.Use.Place == root.Place:
		what := used
		if s.Use.Once {
			what = usedOnce
		}
		d.Consumed, d.Source = []string{usePath}, s.Staged.Path
		d.Why = s.Use.Of + " was asked for"
		return d.exchange(c, s, in, instant, what, intentMember{Kind: staged, From: s.Use.From, New: s.Use.Staged}), nil
	}
	back := func(what, why string, from presence) (decision, []trip) {
		d.Why, d.Source = why, from.Path
		return d.exchange(c, s, in, instant, what, intentMember{Kind: copied, From: from.UUID, FromChanged: from.CTransID}), nil
	}
	unclean := starts(in.Blank, s.Clean, s.Present, c.Release, c.Cmdline)
	if in.Blank != "" && !s.Blank.subvolume() {
		unclean = []trip{{Words: fmt.Sprintf("there is no subvolume %q to make a clean root of", in.Blank), Advice: "correct the input blank, or make one: \"coppice boot rebase\""}}
	}
	if !root.Now.Found && (len(unclean) > 0 || d.Settled.Off != nil) { // nothing could start
		for _, from := range []presence{s.Good, s.Previous} {
			if from.subvolume() {
				return back(fellBack, fmt.Sprintf("there was no %q", root.Place), from)
			}
		}
	}
	if d.Settled.Off != nil && root.Now.Found {
		return d.skip(d.Settled.Off.Why), nil
	}
	if n := d.Settled.Unconfirmed; in.FallBack > 0 && n >= in.FallBack && s.Good.subvolume() && !root.Now.is(s.Good.UUID) {
		return back(fellBack, fmt.Sprintf("%s in a row were not confirmed", volume.Count(n, "boot")), s.Good)
	}
	if all := append(unclean, loses(s.Loses)...); len(all) > 0 {
		return d, all
	}
	d.Source = in.Blank
	return d.exchange(c, s, in, instant, rolledBack, intentMember{Kind: clean, From: s.Blank.UUID, FromChanged: s.Blank.CTransID}), nil
}

// skip is to do nothing, but for what an unfinished intent has left.
func (d decision) skip(why string) decision {
	d.Result, d.Why = skipped, why
	return d
}

// untouchable are the faults for which nothing can be exchanged.
func (s scene) untouchable(c circumstances, in RollbackInput, all []recovered) []trip {
	var trips []trip
	add := func(advice, format string, args ...any) {
		trips = append(trips, trip{Words: fmt.Sprintf(format, args...), Advice: advice})
	}
	if s.ReadOnly {
		add("\"dmesg\" says why, if the kernel has made it so", "btrfs %s is read-only", s.Name)
	}
	for _, r := range all {
		if r.Verdict == conflict {
			add("see with \"coppice boot status\" what is where; \"coppice boot confirm\" accepts it as it is",
				"an earlier rollback was cut off, and what is at %q now is not of its making", r.Place)
		}
	}
	if c.HasRoot && (c.Initrd || s.SameRoot) {
		trips = append(trips, c.Root.mounts(s.root().Place, s.SameRoot)...)
	}
	for _, m := range s.Members {
		isRoot := m.Place == s.root().Place
		switch {
		case m.Now.Found && !m.Now.subvolume():
			add("move it away, and make a subvolume of that name", "%q is a %v, not a subvolume", m.Place, m.Now.Kind)
		case m.Sealed != "":
			add("", "%q lies in the subvolume %q, which is read-only", m.Place, m.Sealed)
		case m.Adrift:
			add("make the folder that it lies in, or leave it out", "there is no %q, nor a place for one", m.Place)
		case m.Mounted != "" && isRoot:
			add("this is for the initrd, before the root is mounted; \"coppice boot plan\" shows what the next boot will do", "%q is %s", m.Place, m.Mounted)
		case m.Mounted != "":
			add("unmount it first", "%q is %s", m.Place, m.Mounted)
		case m.Default:
			add("mount it by its path (subvol=), and give the default back: \"btrfs subvolume set-default 5\"",
				"%q is the filesystem's default subvolume: what mounts it finds it by its id, and would go on doing so", m.Place)
		case m.Now.ReadOnly:
			add("make it writable", "%q is read-only, so it can't be moved into the archive", m.Place)
		}
		switch {
		case in.Archive == m.Place || volume.Inside(m.Place, in.Archive):
			add("name another folder", "the archive %q lies in %q, which would be archived", in.Archive, m.Place)
		case in.Blank == m.Place || in.Blank != "" && volume.Inside(m.Place, in.Blank):
			add("move it out", "the blank %q lies in %q, which would be archived", in.Blank, m.Place)
		}
		for _, o := range s.Members {
			if volume.Inside(m.Place, o.Place) {
				add("reset one of them", "%q lies in %q", o.Place, m.Place)
			}
		}
	}
	switch {
	case s.ArchiveSealed != "":
		add("name another folder", "the archive %q lies in the subvolume %q, which is read-only", in.Archive, s.ArchiveSealed)
	case s.Archive.Found && s.Archive.Kind != kernel.EntryDir && !s.Archive.subvolume():
		add("name another folder", "the archive %q is a %v, not a folder", in.Archive, s.Archive.Kind)
	case s.Archive.subvolume() && s.Archive.ReadOnly:
		add("name another folder", "the archive %q is read-only", in.Archive)
	case s.Room < roomNeeded:
		add("free some space: deleting works on a full filesystem, so \"coppice run boot-cleanup\" and btrfs.prune do too", "btrfs %s is full", s.Name)
	}
	return trips
}

// exchange is to exchange the root for a new one, and with a clean one the other places too.
func (d decision) exchange(c circumstances, s scene, in RollbackInput, instant time.Time, what string, root intentMember) decision {
	d.Result = what
	i := intent{Boot: c.Boot, Sequence: d.Settled.Sequence + 1, At: instant.UTC(), Trusted: c.Unsynced == "", What: what, Root: s.root().Place}
	for _, m := range s.Members {
		n := intentMember{Kind: clean}
		if m.Place == s.root().Place {
			n = root
		} else if what != rolledBack {
			continue
		}
		n.Place, n.Archive = m.Place, path.Join(in.Archive, nameOf(m.Place, i.Sequence, instant, c.Boot))
		if m.Now.subvolume() {
			n.Old = m.Now.UUID
		}
		if f, known := d.Settled.freshAt(m.Place); known && n.Kind == clean && m.Now.is(f.UUID) && f.Changed != 0 && m.Now.CTransID == f.Changed &&
			f.From == n.From && f.FromChanged == n.FromChanged {
			d.Reused = append(d.Reused, m.Place)
			continue
		}
		i.Places = append(i.Places, n)
	}
	switch {
	case len(i.Places) > 0:
		d.Intent = &i
		d.Settled.Sequence = i.Sequence
	default:
		d.Result = reused
	}
	return d
}
