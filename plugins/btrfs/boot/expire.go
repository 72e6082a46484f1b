package boot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// keeping is an archive with what keeps it, for a decision.
type keeping struct {
	archived
	Now     presence // wherever it is
	Pinned  string
	Mounted string
	Default bool
	Wanted  bool               // the next boot is asked to use it
	Nested  []kernel.Subvolume // in it, the outer ones first
	Keep    string             // why it stays; "": it has had its day
}

// policy says which have had their day.
type policy struct {
	Instant     time.Time
	Distrust    string // why the clock can't be believed; "" if it can
	Retention   time.Duration
	AtLeast     int
	Allowed     []string // nested subvolumes that may go with one
	Good        kernel.UUID
	Unconfirmed string // why nothing may go; "" if it may
}

// How far the clock may be from what is known to have been, see volume's of snapshots.
const (
	behind = 5 * time.Minute
	ahead  = 366 * 24 * time.Hour
)

// distrusts says why the clock can't be believed.
func distrusts(unsynced, input string, instant, newest time.Time) string {
	switch {
	case input != "rtc" && unsynced != "":
		return unsynced
	case newest.IsZero():
		return ""
	case instant.Before(newest.Add(-behind)):
		return fmt.Sprintf("the clock says %s, but there was a boot at %s", volume.Moment(instant), volume.Moment(newest))
	case instant.After(newest.Add(ahead)):
		return fmt.Sprintf("the clock says %s, more than a year after the last boot at %s", volume.Moment(instant), volume.Moment(newest))
	}
	return ""
}

// newestTime is the newest time that a clock to believe has said.
func newestTime(s state, all []keeping) time.Time {
	var newest time.Time
	if s.Confirmed != nil {
		newest = s.Confirmed.At
	}
	for _, k := range all {
		if at := k.age(); at.After(newest) {
			newest = at
		}
	}
	return newest
}

// expire finds out which have had their day. The newest come first.
func expire(all []keeping, p policy) []keeping {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b keeping) int {
		return cmp.Or(cmp.Compare(b.Sequence, a.Sequence), b.At.Compare(a.At), strings.Compare(a.Place, b.Place))
	})
	newer := map[string]int{} // archives of a place that are newer
	for i := range all {
		k := &all[i]
		count := newer[k.Place]
		if k.Now.subvolume() && !k.Abandoned {
			newer[k.Place]++
		}
		k.Keep = k.keeps(p, count)
	}
	return all
}

// keeps says why one stays. newer is how many newer ones of its place there are.
func (k keeping) keeps(p policy, newer int) string {
	switch {
	case !k.Now.subvolume():
		return "it is gone"
	case k.Now.Path != k.Path:
		return "it is not where it was archived"
	case k.UUID == p.Good:
		return "it is the last confirmed root"
	case k.Pinned != "":
		return k.Pinned
	case k.Mounted != "":
		return "it is " + k.Mounted
	case k.Wanted:
		return "the next boot was asked to use it"
	case k.Default:
		return "it is the default subvolume"
	case p.Unconfirmed != "":
		return p.Unconfirmed
	case k.Abandoned && k.Now.CTransID != k.Changed:
		return "it was made for a rollback that was cut off, and something has been written to it since"
	}
	for _, n := range k.Nested {
		inside := strings.TrimPrefix(n.Path, k.Now.Path+"/")
		if !slices.Contains(p.Allowed, inside) {
			return fmt.Sprintf("the subvolume %q lies in it, which is not on the list of those that may go", inside)
		}
	}
	switch {
	case k.Abandoned:
		return ""
	case newer < p.AtLeast:
		return fmt.Sprintf("it is among the newest %d of %s", p.AtLeast, k.Place)
	case p.Distrust != "":
		return "nobody knows how old it is: " + p.Distrust
	case k.age().IsZero():
		return "its boot had no clock to believe, so its age counts from now on"
	case p.Instant.Before(k.age().Add(p.Retention)):
		return "until " + volume.Moment(k.age().Add(p.Retention))
	}
	return ""
}
