package retention

import (
	"slices"
	"time"
)

// Decision is the fate of every snapshot that was asked about.
type Decision struct {
	// Verdicts has one entry a snapshot, newest first: by Time, then Seq, then Key; by Seq, then Key if the clock is not trusted.
	Verdicts []Verdict
	// Warnings are sentences for the user, in a fixed order: what keeps things from being deleted although it should not be so.
	Warnings []string
	// Blocked is why nothing at all is deleted (clock, policy, freshness), in words for the user; empty if that is not the case.
	Blocked string

	Kept    int // verdicts with Keep
	Deleted int // verdicts without Keep
	// Quarantined and Held are parts of Kept. Held is the number of snapshots that no rule of the policy keeps and that stay
	// only because of the delete cap or because of Blocked. Under a clock that is not trusted, only Last and the floor are
	// looked at.
	Quarantined, Held int
	// Spare is the number of verdicts with Spare; part of Kept.
	Spare int
}

// Verdict is the fate of one snapshot.
type Verdict struct {
	Snapshot
	Keep bool
	// Quarantined says that the snapshot stays because its own facts cannot be believed.
	Quarantined bool
	// Reasons has at least one entry. If Keep, it names everything that keeps the snapshot, in the order: quarantine, newest,
	// floor, last, within, frequently … yearly, protection, what holds it back. If not, it says why the snapshot goes.
	Reasons []string
	// Until is set if time alone ends everything that keeps the snapshot: something keeps it before that instant and nothing
	// after it, if nothing else changes meanwhile. UTC; zero otherwise.
	Until time.Time
	// Replaced says that nothing but newer snapshots, which take its place in what counts it, or time and those together end what
	// keeps it.
	Replaced bool
	// Spare says that the snapshot may go although a rule keeps it, if its space is needed: it is not protected, quarantined,
	// the newest or part of the floor, nothing is blocked, and the delete cap leaves room for it.
	Spare bool
}

// Spares returns the verdicts with Spare, oldest first: in the order in which to delete them until there is enough space.
func (d Decision) Spares() []Verdict {
	spares := make([]Verdict, 0, d.Spare)
	for _, v := range slices.Backward(d.Verdicts) {
		if v.Spare {
			spares = append(spares, v)
		}
	}
	return spares
}

// Deletes returns the verdicts of the snapshots to delete, oldest first: in the order in which to delete them.
func (d Decision) Deletes() []Verdict {
	deletes := make([]Verdict, 0, d.Deleted)
	for _, v := range slices.Backward(d.Verdicts) {
		if !v.Keep {
			deletes = append(deletes, v)
		}
	}
	return deletes
}
