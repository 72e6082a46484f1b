package retention

import (
	"fmt"
	"slices"
	"time"
)

// Decide decides for every snapshot of one source whether it stays. It changes none of its arguments, never fails, and given a
// policy that is not valid deletes nothing. A planned snapshot in snaps counts like an existing one: if it then cannot be made,
// decide again without it.
func Decide(p Policy, clock Clock, snaps []Snapshot) Decision {
	var d Decision
	now := clock.Now.Round(0) // without monotonic part
	distrust := clock.distrust()
	invalid := p.Validate()

	entries := arrange(p, now, distrust == "", snaps)
	unreliable := quarantine(entries, now, distrust == "")
	valid := slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return e.quarantined })

	if invalid == nil {
		applyRules(p, now, distrust == "", valid)
	}
	for _, e := range entries {
		if e.snap.Protected != "" {
			e.firm = true
			if e.snap.ProtectedUntil.IsZero() {
				e.keep(e.snap.Protected)
				e.fixed = true
			} else {
				e.keepUntil(e.snap.Protected, e.snap.ProtectedUntil)
			}
		}
	}

	switch {
	case invalid != nil:
		d.Blocked = "policy is not valid"
		d.Warnings = append(d.Warnings, "policy is not valid, nothing is deleted: "+invalid.Error())
		blockAll(&d, entries)
	case distrust != "" && !p.countOnly():
		d.Blocked = distrust
		if len(entries) > 0 {
			d.Warnings = append(d.Warnings, distrust+"; nothing is deleted")
		}
		blockAll(&d, entries)
	default:
		doom(&d, p, distrust == "", valid)
	}
	d.Warnings = append(unreliable, d.Warnings...)
	d.record(entries)
	d.spare(p, entries)
	return d
}

// arrange returns the snapshots newest first.
func arrange(p Policy, now time.Time, trusted bool, snaps []Snapshot) []*entry {
	store := make([]entry, len(snaps))
	entries := make([]*entry, len(snaps))
	for i, s := range snaps {
		store[i] = entry{snap: s, moment: p.moment(s.Time.Round(0)), age: max(0, now.Sub(s.Time.Round(0)))}
		entries[i] = &store[i]
	}
	if trusted {
		slices.SortFunc(entries, newestByTime)
	} else {
		slices.SortFunc(entries, newestBySeq)
	}
	return entries
}

// doom deletes what nothing keeps, oldest first and up to the cap, unless the newest valid entry is not fresh.
func doom(d *Decision, p Policy, trusted bool, valid []*entry) {
	var doomed []*entry
	for _, e := range slices.Backward(valid) {
		if !e.kept {
			doomed = append(doomed, e)
		}
	}
	if p.FreshWithin > 0 && len(valid) > 0 && valid[0].age > p.FreshWithin {
		d.Blocked = fmt.Sprintf("newest snapshot is not fresh: older than %s (%s)",
			exact(p.FreshWithin), longer(valid[0].age, p.FreshWithin))
		if len(doomed) > 0 {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s; nothing is deleted, %d would be", d.Blocked, len(doomed)))
		}
		d.hold(doomed, d.Blocked)
		return
	}
	if p.MaxDeletes > 0 && len(doomed) > p.MaxDeletes {
		rest := doomed[p.MaxDeletes:]
		doomed = doomed[:p.MaxDeletes]
		d.Warnings = append(d.Warnings, fmt.Sprintf("delete cap of %d reached; %d more would be deleted", p.MaxDeletes, len(rest)))
		d.hold(rest, fmt.Sprintf("delete cap of %d", p.MaxDeletes))
	}
	older := "older than " + exact(p.Within)
	for _, e := range doomed {
		e.deleted = true
		reason := "no rule keeps it"
		switch {
		case p.Within > 0:
			reason = older + " (" + longer(e.age, p.Within) + "), no rule keeps it"
		case trusted:
			reason += " (" + short(e.age) + " old)"
		}
		e.reasons = append(e.reasons, reason)
	}
}

// blockAll gives every entry the reason for which nothing is deleted.
func blockAll(d *Decision, entries []*entry) {
	for _, e := range entries {
		if !e.kept {
			d.Held++
		}
		e.reasons = append(e.reasons, d.Blocked)
		e.kept, e.firm, e.endless, e.fixed = true, true, true, true
	}
}

// hold lets doomed entries stay.
func (d *Decision) hold(doomed []*entry, reason string) {
	d.Held += len(doomed)
	for _, e := range doomed {
		e.reasons = append(e.reasons, reason)
	}
}

// record writes the verdicts and counts them.
func (d *Decision) record(entries []*entry) {
	d.Verdicts = make([]Verdict, len(entries))
	for i, e := range entries {
		v := Verdict{Snapshot: e.snap, Keep: !e.deleted, Quarantined: e.quarantined, Reasons: e.reasons}
		if e.kept && !e.endless {
			v.Until = e.until
		}
		v.Replaced = e.kept && e.endless && !e.fixed
		d.Verdicts[i] = v
		if e.quarantined {
			d.Quarantined++
		}
		if e.deleted {
			d.Deleted++
		}
	}
	d.Kept = len(entries) - d.Deleted
}

// spare marks what may go for want of space: what is kept by nothing firm, the oldest first and up to the cap.
func (d *Decision) spare(p Policy, entries []*entry) {
	if d.Blocked != "" {
		return
	}
	for i, e := range slices.Backward(entries) {
		switch {
		case !e.kept || e.firm:
		case p.MaxDeletes > 0 && d.Deleted+d.Spare == p.MaxDeletes:
			return
		default:
			d.Verdicts[i].Spare = true
			d.Spare++
		}
	}
}
