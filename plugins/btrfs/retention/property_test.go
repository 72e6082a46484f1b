package retention

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const rounds = 700

// random makes policies and sets of snapshots that are small enough to be read and wild enough to meet every corner.
type random struct {
	*rand.Rand
	zones []*time.Location
}

func (r random) count() int {
	return []int{0, 0, 0, 1, 2, 3, 7, 40}[r.IntN(8)]
}

// counts and withins are the fields of the calendar rules, from the finest to the coarsest.
func counts(p *Policy) []*int {
	return []*int{&p.Frequently, &p.Hourly, &p.Daily, &p.Weekly, &p.Monthly, &p.Quarterly, &p.Yearly}
}

func withins(p *Policy) []*time.Duration {
	return []*time.Duration{&p.FrequentlyWithin, &p.HourlyWithin, &p.DailyWithin, &p.WeeklyWithin, &p.MonthlyWithin, &p.QuarterlyWithin, &p.YearlyWithin}
}

// policy is valid.
func (r random) policy() Policy {
	for {
		p := Policy{Location: r.zones[r.IntN(len(r.zones))], AtLeast: r.count(), Last: r.count()}
		if r.IntN(4) > 0 {
			for _, count := range counts(&p) {
				*count = r.count()
			}
			p.KeepNewest = r.IntN(3) == 0
			p.FrequentPeriod = []time.Duration{0, time.Minute, 20 * time.Minute, hour}[r.IntN(4)]
			p.DayStart, p.WeekStart = []int{0, 0, 2, 23}[r.IntN(4)], []int{0, 0, 3, 6}[r.IntN(4)]
			p.Within = []time.Duration{0, 1, hour, day, 30 * day, 300 * day}[r.IntN(6)]
			for _, within := range withins(&p) {
				if r.IntN(5) == 0 {
					*within = []time.Duration{1, 50 * time.Minute, 6 * hour, 40 * hour, 20 * day, 400 * day}[r.IntN(6)]
				}
			}
			p.FreshWithin = []time.Duration{0, 0, 0, day, 100 * day}[r.IntN(5)]
		}
		if r.IntN(4) == 0 {
			p.MaxDeletes = r.count()
		}
		if p.Validate() == nil {
			return p
		}
	}
}

func (r random) snaps() []Snapshot {
	step := []time.Duration{time.Second, 20 * time.Minute, 6 * hour, day, 20 * day}[r.IntN(5)]
	snaps := make([]Snapshot, r.IntN(40))
	for i := range snaps {
		age := time.Duration(r.Int64N(int64(len(snaps)) * int64(step)))
		if r.IntN(2) == 0 {
			age = age.Truncate(step) // many of the same second
		}
		s := Snapshot{Key: fmt.Sprint("key", i), Time: noon.Add(-age), Seq: uint64(noon.Add(-age).Unix())}
		switch r.IntN(20) {
		case 0:
			s.Time = noon.Add(time.Duration(r.Int64N(int64(10 * time.Minute))))
		case 1:
			s.Time = noon.Add(400 * day)
		case 2:
			s.Time = time.Time{}
		case 3:
			s.Seq = 0
		case 4:
			s.Seq = uint64(r.Int64N(noon.Unix() * 2))
		case 5:
			s.Key = fmt.Sprint("key", r.IntN(i+1))
		case 6, 7:
			s.Protected = "mounted"
		}
		s.Name = fmt.Sprintf("%s@%d", s.Key, i)
		snaps[i] = s
	}
	return snaps
}

func (r random) clock() Clock {
	if r.IntN(4) == 0 {
		return Clock{Now: noon, Why: "not synchronised"}
	}
	return trusted(noon)
}

// forAll calls check with many random cases, the same ones on every run.
func forAll(t *testing.T, check func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot)) {
	t.Parallel()
	zones := []*time.Location{nil, zone(t, "Europe/Berlin"), zone(t, "America/St_Johns"), zone(t, "Australia/Lord_Howe")}
	for seed := range uint64(rounds) {
		r := random{rand.New(rand.NewPCG(seed, 0)), zones}
		check(t, r, r.policy(), r.clock(), r.snaps())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func keeps(d Decision) map[string]bool {
	all := make(map[string]bool, len(d.Verdicts))
	for _, v := range d.Verdicts {
		all[v.Name] = v.Keep
	}
	return all
}

// survivors is what exists after the decision has been carried out.
func survivors(d Decision) []Snapshot {
	var left []Snapshot
	for _, v := range kept(d) {
		left = append(left, v.Snapshot)
	}
	return left
}

func TestAgainstReference(t *testing.T) {
	var deleted, stayed int
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		p.MaxDeletes = 0
		d := Decide(p, clock, snaps)
		checkCounts(t, d)
		deleted, stayed = deleted+d.Deleted, stayed+d.Kept
		for _, v := range d.Verdicts {
			if want := reference(p, clock, snaps, v.Snapshot); v.Keep != want {
				t.Errorf("%s: keep is %t, want %t\n%+v %+v\n%s", v.Name, v.Keep, want, p, clock, show(d))
			}
		}
	})
	if deleted < stayed/10 || stayed < deleted/10 {
		t.Errorf("the cases are lopsided: %d deleted, %d stayed", deleted, stayed)
	}
}

func TestNewestAndProtectedStay(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		d := Decide(p, clock, snaps)
		stay := 0
		for _, v := range d.Verdicts {
			if !v.Quarantined {
				if stay < p.floor() && !v.Keep {
					t.Errorf("%s is one of the newest %d and goes\n%s", v.Name, p.floor(), show(d))
				}
				stay++
			}
			if v.Protected != "" && !v.Keep {
				t.Errorf("%s is protected and goes", v.Name)
			}
		}
		if len(snaps) > 0 && d.Kept == 0 {
			t.Error("nothing is left")
		}
		if p.MaxDeletes > 0 && d.Deleted > p.MaxDeletes {
			t.Errorf("%d deleted, the cap is %d", d.Deleted, p.MaxDeletes)
		}
	})
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		want := show(Decide(p, clock, snaps))
		r.Shuffle(len(snaps), func(i, j int) { snaps[i], snaps[j] = snaps[j], snaps[i] })
		if got := show(Decide(p, clock, snaps)); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestSecondDecisionDeletesNothing(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		p.MaxDeletes = 0
		first := Decide(p, clock, snaps)
		if second := Decide(p, clock, survivors(first)); second.Deleted > 0 {
			t.Errorf("%+v\nfirst:\n%s\nsecond:\n%s", p, show(first), show(second))
		}
	})
}

// A run may stop half-way: after any part of the deletions the rest is still what remains to be done.
func TestInterruptedDecision(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		p.MaxDeletes = 0
		whole := Decide(p, clock, snaps)
		left := slices.DeleteFunc(slices.Clone(whole.Verdicts), func(v Verdict) bool { return !v.Keep && r.IntN(2) == 0 })
		var rest []Snapshot
		for _, v := range left {
			rest = append(rest, v.Snapshot)
		}
		again := keeps(Decide(p, clock, rest))
		for _, v := range left {
			if again[v.Name] != v.Keep {
				t.Errorf("%s: keep was %t, is %t\n%+v\n%s", v.Name, v.Keep, again[v.Name], p, show(whole))
			}
		}
	})
}

// With a cap it takes several runs to get to the same end.
func TestCapGetsThereInTheEnd(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		p.MaxDeletes = 0
		want := keeps(Decide(p, clock, snaps))
		p.MaxDeletes = 1 + r.IntN(3)
		left := snaps
		for range len(snaps) + 1 {
			left = survivors(Decide(p, clock, left))
		}
		for _, s := range left {
			if !want[s.Name] {
				t.Errorf("%s is still there", s.Name)
			}
			delete(want, s.Name)
		}
		for name, keep := range want {
			if keep {
				t.Errorf("%s is gone", name)
			}
		}
	})
}

func TestMorePolicyKeepsMore(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		p.MaxDeletes = 0
		more := p
		for _, field := range append(counts(&more), &more.Last, &more.AtLeast) {
			*field += max(0, r.IntN(6)-2)
		}
		for _, field := range withins(&more) {
			*field += max(0, time.Duration(r.Int64N(int64(3*day)))-day)
		}
		more.Within += time.Duration(r.Int64N(int64(3 * day)))
		less, with := Decide(p, clock, snaps), Decide(more, clock, snaps)
		keep := keeps(with)
		for _, v := range less.Verdicts {
			if v.Keep && !keep[v.Name] {
				t.Errorf("%s stays under %+v\nbut goes under %+v\n%s", v.Name, p, more, show(with))
			}
		}
	})
}

func TestProtectionDoomsNobody(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		p.MaxDeletes = 0
		before := Decide(p, clock, snaps)
		for i := range snaps {
			if r.IntN(5) == 0 {
				snaps[i].Protected = "pinned: x"
			}
		}
		after := Decide(p, clock, snaps)
		keep := keeps(after)
		for _, v := range before.Verdicts {
			if v.Keep && !keep[v.Name] {
				t.Errorf("%s goes now\n%s", v.Name, show(after))
			}
		}
	})
}

func TestQuarantinedChangeNothing(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		all := Decide(p, clock, snaps)
		var sound []Snapshot
		for _, v := range all.Verdicts {
			if !v.Quarantined {
				sound = append(sound, v.Snapshot)
			}
		}
		keep := keeps(all)
		for _, v := range Decide(p, clock, sound).Verdicts {
			if v.Keep != keep[v.Name] {
				t.Errorf("%s: keep is %t without the quarantined ones\n%s", v.Name, v.Keep, show(all))
			}
		}
	})
}

func TestUntrustedClock(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, _ Clock, snaps []Snapshot) {
		clock := Clock{Now: noon, Why: "not synchronised"}
		d := Decide(p, clock, snaps)
		if p.byTime() || p.FreshWithin > 0 {
			if d.Deleted > 0 {
				t.Errorf("deletes by age or calendar\n%s", show(d))
			}
			return
		}
		other := Decide(p, Clock{Now: time.Unix(1+r.Int64N(1<<40), 0)}, snaps)
		if !slices.Equal(survivors(other), survivors(d)) {
			t.Errorf("the time matters:\n%s\n%s", show(d), show(other))
		}
	})
}

func TestUntilIsExact(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, _ Clock, snaps []Snapshot) {
		p.MaxDeletes, p.FreshWithin = 0, 0
		snaps = slices.DeleteFunc(snaps, func(s Snapshot) bool { return s.Time.After(noon) })
		for _, v := range Decide(p, trusted(noon), snaps).Verdicts {
			if v.Until.IsZero() {
				continue
			}
			if !keeps(Decide(p, trusted(v.Until.Add(-1)), snaps))[v.Name] || keeps(Decide(p, trusted(v.Until.Add(1)), snaps))[v.Name] {
				t.Errorf("%s: %v is not the instant", v.Name, v.Until)
			}
		}
	})
}

// What stays and has no end stays for as long as nothing else changes.
func TestWithoutUntilForEver(t *testing.T) {
	forAll(t, func(t *testing.T, r random, p Policy, _ Clock, snaps []Snapshot) {
		p.MaxDeletes, p.FreshWithin = 0, 0
		snaps = slices.DeleteFunc(snaps, func(s Snapshot) bool { return s.Time.After(noon) })
		first := Decide(p, trusted(noon), snaps)
		later := keeps(Decide(p, trusted(noon.AddDate(100, 0, 0)), snaps))
		for _, v := range first.Verdicts {
			if v.Keep && later[v.Name] != v.Until.IsZero() {
				t.Errorf("%s: until %v, and in a hundred years keep is %t\n%s", v.Name, v.Until, later[v.Name], show(first))
			}
		}
	})
}

// Whatever part of the spare snapshots goes for want of space, no other rule or floor is hurt by it.
func TestSpares(t *testing.T) {
	met := 0
	forAll(t, func(t *testing.T, r random, p Policy, clock Clock, snaps []Snapshot) {
		d := Decide(p, clock, snaps)
		spares := d.Spares()
		met += len(spares)
		if d.Spare != len(spares) || p.MaxDeletes > 0 && d.Deleted+d.Spare > p.MaxDeletes || d.Blocked != "" && d.Spare > 0 {
			t.Errorf("%d spares, %d counted\n%s", len(spares), d.Spare, show(d))
		}
		n := 0
		if len(spares) > 0 {
			n = 1 + r.IntN(len(spares))
		}
		gone := map[string]bool{}
		for _, v := range append(d.Deletes(), spares[:n]...) {
			gone[v.Name] = true
		}
		valid := 0
		for _, v := range d.Verdicts {
			if gone[v.Name] && (v.Protected != "" || v.Quarantined) {
				t.Errorf("%s can't go\n%s", v.Name, show(d))
			}
			if !v.Quarantined && !gone[v.Name] {
				valid++
			}
		}
		if total := len(d.Verdicts) - d.Quarantined; valid < min(total, p.floor()) {
			t.Errorf("%d of %d are left, the floor is %d", valid, total, p.floor())
		}
		if n > 0 && d.Verdicts[0].Name == spares[0].Name {
			t.Errorf("the newest goes")
		}
	})
	t.Cleanup(func() {
		if met == 0 {
			t.Error("there was never one to spare")
		}
	})
}
