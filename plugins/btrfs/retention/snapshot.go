package retention

import (
	"cmp"
	"math"
	"strings"
	"time"
)

// FutureTolerance is how far ahead of the clock a snapshot may be and still count as made just now.
const FutureTolerance = 5 * time.Minute

// PlannedSeq is the Seq of a snapshot that is planned and does not exist yet: it comes after every existing one.
const PlannedSeq uint64 = math.MaxUint64

// Snapshot is what has to be known about one snapshot.
type Snapshot struct {
	// Key is the identity, opaque and unique among the snapshots of one decision: a UUID, or a symbolic name for a planned
	// snapshot. A snapshot whose key is empty or appears twice is quarantined.
	Key string
	// Name is for people; it decides nothing as long as keys are unique.
	Name string
	// Time is when the state in the snapshot was current, in any location. The zero time and anything up to the Unix epoch
	// (what the kernel reports when it has no creation time) mean "not known".
	Time time.Time
	// Seq is the transaction of creation: a higher one was made later, whatever the clock said. 0 means "not known".
	Seq uint64
	// Protected is why the snapshot must stay ("pinned: before upgrade", "mounted"), in words for the user; empty if nothing
	// protects it.
	Protected string
	// ProtectedUntil is when that ends by itself; zero if nobody knows, or never.
	ProtectedUntil time.Time
}

// Clock is the present.
type Clock struct {
	Now time.Time
	// Trusted says that Now can be believed. Without it, and always when Now is zero, nothing is decided by age or calendar.
	Trusted bool
	// Why says in words for the user why the clock is not trusted.
	Why string
}

// distrust returns why age and calendar mean nothing, as a reason for users; empty if the clock can be believed.
func (c Clock) distrust() string {
	switch {
	case c.Trusted && c.Now.IsZero():
		return "clock is not trusted: the time is not set"
	case c.Trusted:
		return ""
	case c.Why == "":
		return "clock is not trusted"
	default:
		return "clock is not trusted: " + c.Why
	}
}

// entry is a snapshot under decision.
type entry struct {
	snap        Snapshot
	moment                    // Time without monotonic part, in the calendar of the policy
	age         time.Duration // never negative
	quarantined bool
	reasons     []string
	kept        bool // a rule, the protection or the quarantine keeps it
	firm        bool // what keeps it holds whatever space is needed
	deleted     bool
	endless     bool // what keeps it does not end by itself
	fixed       bool // nor when newer ones come
	until       time.Time
}

// keep keeps the entry until something else than time changes that.
func (e *entry) keep(reason string) {
	e.kept, e.endless = true, true
	e.reasons = append(e.reasons, reason)
}

// keepFirmly does so whatever space is needed.
func (e *entry) keepFirmly(reason string) {
	e.firm = true
	e.keep(reason)
}

// keepUntil keeps the entry until an instant.
func (e *entry) keepUntil(reason string, end time.Time) {
	e.kept = true
	e.reasons = append(e.reasons, reason)
	if end.After(e.until) {
		e.until = end.UTC()
	}
}

// newestByTime orders the newest first when the clock is trusted.
func newestByTime(a, b *entry) int {
	if c := b.at.Compare(a.at); c != 0 {
		return c
	}
	if c := cmp.Compare(b.snap.Seq, a.snap.Seq); c != 0 {
		return c
	}
	return byKey(a, b)
}

// newestBySeq orders the newest first when the clock is not trusted.
func newestBySeq(a, b *entry) int {
	if c := cmp.Compare(b.snap.Seq, a.snap.Seq); c != 0 {
		return c
	}
	if c := strings.Compare(b.snap.Key, a.snap.Key); c != 0 {
		return c
	}
	return newestByTime(a, b)
}

// byKey decides between entries of the same instant. What comes after the key matters only for quarantined entries that share
// one, and makes their order independent of the input.
func byKey(a, b *entry) int {
	return cmp.Or(
		strings.Compare(b.snap.Key, a.snap.Key),
		strings.Compare(b.snap.Name, a.snap.Name),
		strings.Compare(b.snap.Protected, a.snap.Protected),
	)
}
