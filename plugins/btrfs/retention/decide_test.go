package retention

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func change(snaps []Snapshot, name string, f func(*Snapshot)) []Snapshot {
	i := slices.IndexFunc(snaps, func(s Snapshot) bool { return s.Name == name })
	f(&snaps[i])
	return snaps
}

func pin(snaps []Snapshot, name, why string) []Snapshot {
	return change(snaps, name, func(s *Snapshot) { s.Protected = why })
}

func TestDecide(t *testing.T) {
	t.Parallel()
	unsynced := Clock{Now: noon, Why: "not synchronised"}
	for _, c := range []struct {
		name   string
		policy Policy
		clock  Clock
		snaps  []Snapshot
		want   string
	}{
		{name: "empty", policy: Policy{Within: 30 * day, FreshWithin: day}, clock: trusted(noon)},
		{name: "empty under a clock that is not trusted", policy: Policy{Within: 30 * day}, clock: unsynced},
		{name: "one, ever so old", policy: Policy{Within: day}, clock: trusted(noon), snaps: aged(5000 * day), want: `
			keep a: newest`},
		{name: "the boundary of within is strict", policy: Policy{Within: 30 * day}, clock: trusted(noon),
			snaps: aged(0, 30*day-1, 30*day, 30*day+1, 30*day+time.Second, 31*day+2*hour+5*time.Minute), want: `
			keep a: newest, within 30d
			keep b: within 30d [until 2026-11-23T12:00]
			keep c: within 30d [until 2026-11-23T12:00]
			delete d: older than 30d (30d 1ns), no rule keeps it
			delete e: older than 30d (30d 1s), no rule keeps it
			delete f: older than 30d (31d 2h), no rule keeps it`},
		{name: "one a day within 30d", policy: Policy{Within: 2 * day}, clock: trusted(noon), snaps: every(day, 4), want: `
			keep a: newest, within 2d
			keep b: within 2d [until 2026-11-24T12:00]
			keep c: within 2d [until 2026-11-23T12:00]
			delete d: older than 2d (3d), no rule keeps it`},
		{name: "last", policy: Policy{Last: 2}, clock: trusted(noon), snaps: every(6*hour, 3), want: `
			keep a: newest, last 1 of 2
			keep b: last 2 of 2
			delete c: no rule keeps it (12h old)`},
		{name: "floor", policy: Policy{Within: hour, AtLeast: 3}, clock: trusted(noon), snaps: every(day, 4), want: `
			keep a: newest, within 1h
			keep b: floor 2 of 3
			keep c: floor 3 of 3
			delete d: older than 1h (3d), no rule keeps it`},
		{name: "every rule in its order", clock: trusted(noon),
			policy: Policy{Within: 30 * day, Last: 4, Hourly: 1, Daily: 1, Weekly: 1, Monthly: 1, Yearly: 1, AtLeast: 2},
			snaps:  pin(aged(0, hour), "b", "pinned: before upgrade"), want: `
			keep a: newest, last 1 of 4, within 30d, hourly 2026-11-23T12
			keep b: floor 2 of 2, within 30d, daily 2026-11-23, weekly 2026-W48, monthly 2026-11, yearly 2026, pinned: before upgrade`},
		{name: "a pinned one uses up no slot of last, and represents its day", policy: Policy{Last: 2, Daily: 2},
			clock: trusted(noon), snaps: pin(pin(every(6*hour, 8), "b", "mounted"), "g", "pinned: x"), want: `
			keep a: newest, last 1 of 2
			keep b: mounted
			keep c: last 2 of 2, daily 2026-11-23
			delete d: no rule keeps it (18h old)
			delete e: no rule keeps it (1d old)
			delete f: no rule keeps it (1d 6h old)
			keep g: daily 2026-11-22, pinned: x
			delete h: no rule keeps it (1d 18h old)`},
		{name: "only pinned ones", policy: Policy{Last: 1}, clock: trusted(noon),
			snaps: pin(pin(every(day, 2), "a", "mounted"), "b", "default subvolume"), want: `
			keep a: newest, mounted
			keep b: default subvolume`},

		{name: "60 days off with within only", policy: Policy{Within: 30 * day}, clock: trusted(noon),
			snaps: aged(61*day, 62*day, 63*day), want: `
			keep a: newest
			delete b: older than 30d (62d), no rule keeps it
			delete c: older than 30d (63d), no rule keeps it`},
		{name: "60 days off, freshness asked for", policy: Policy{Within: 30 * day, FreshWithin: day}, clock: trusted(noon),
			snaps: aged(61*day, 62*day, 63*day), want: `
			keep a: newest
			keep b: newest snapshot is not fresh: older than 1d (61d)
			keep c: newest snapshot is not fresh: older than 1d (61d)
			warning: newest snapshot is not fresh: older than 1d (61d); nothing is deleted, 2 would be`},
		{name: "60 days off, hourly", policy: Policy{Hourly: 5}, clock: trusted(noon),
			snaps: aged(61*day, 62*day, 63*day, 64*day, 65*day, 66*day), want: `
			keep a: newest, hourly 2026-09-23T12
			keep b: hourly 2026-09-22T12
			keep c: hourly 2026-09-21T12
			keep d: hourly 2026-09-20T12
			keep e: hourly 2026-09-19T12
			delete f: no rule keeps it (66d old)`},
		{name: "exactly fresh", policy: Policy{Last: 1, FreshWithin: day}, clock: trusted(noon), snaps: aged(day, 2*day), want: `
			keep a: newest, last 1 of 1
			delete b: no rule keeps it (2d old)`},
		{name: "not fresh, but nothing to delete", policy: Policy{Last: 1, FreshWithin: day}, clock: trusted(noon), snaps: aged(day + 1), want: `
			keep a: newest, last 1 of 1`},
		{name: "a planned one is newest and fresh", policy: Policy{Last: 1, FreshWithin: day}, clock: trusted(noon),
			snaps: change(aged(0, 61*day), "a", func(s *Snapshot) { s.Seq = PlannedSeq }), want: `
			keep a: newest, last 1 of 1
			delete b: no rule keeps it (61d old)`},

		{name: "future ones count for nothing", policy: Policy{Last: 2, Hourly: 1}, clock: trusted(noon),
			snaps: aged(-80*365*day, -5*time.Minute-1, day, 2*day, 3*day), want: `
			keep a: from the future
			keep b: from the future
			keep c: newest, last 1 of 2, hourly 2026-11-22T12
			keep d: last 2 of 2
			delete e: no rule keeps it (3d old)
			warning: 2 snapshots such as "a": from the future; they are kept and not counted`},
		{name: "future ones are not fresh", policy: Policy{Last: 1, FreshWithin: hour}, clock: trusted(noon),
			snaps: aged(-day, day, 2*day), want: `
			keep a: from the future
			keep b: newest, last 1 of 1
			keep c: newest snapshot is not fresh: older than 1h (1d)
			warning: snapshot "a": from the future; it is kept and not counted
			warning: newest snapshot is not fresh: older than 1h (1d); nothing is deleted, 1 would be`},
		{name: "a little ahead is now", policy: Policy{Last: 1, Within: hour}, clock: trusted(noon),
			snaps: aged(-5*time.Minute, 2*hour), want: `
			keep a: newest, last 1 of 1, within 1h
			delete b: older than 1h (2h), no rule keeps it`},
		{name: "two a little ahead", policy: Policy{Last: 1}, clock: trusted(noon), snaps: aged(-4*time.Minute, -2*time.Minute), want: `
			keep a: newest, last 1 of 1
			delete b: no rule keeps it (0s old)`},
		{name: "clock set back before all", policy: Policy{Within: day}, clock: trusted(noon.Add(-400 * day)),
			snaps: aged(0, 40*day), want: `
			keep a: from the future
			keep b: from the future
			warning: 2 snapshots such as "a": from the future; they are kept and not counted`},
		{name: "no creation time", policy: Policy{Last: 1}, clock: trusted(noon),
			snaps: change(change(every(day, 4), "a", func(s *Snapshot) { s.Time = time.Time{} }),
				"b", func(s *Snapshot) { s.Time = time.Unix(0, 0); s.Protected = "mounted" }), want: `
			keep c: newest, last 1 of 1
			delete d: no rule keeps it (3d old)
			keep b: no creation time that can be believed, mounted
			keep a: no creation time that can be believed
			warning: 2 snapshots such as "b": no creation time that can be believed; they are kept and not counted`},
		{name: "no or shared identity", policy: Policy{Last: 1}, clock: trusted(noon),
			snaps: change(change(every(day, 5), "a", func(s *Snapshot) { s.Key = "" }),
				"c", func(s *Snapshot) { s.Key = "e" }), want: `
			keep a: no identity
			keep b: newest, last 1 of 1
			keep c: identity is not unique
			delete d: no rule keeps it (3d old)
			keep e: identity is not unique
			warning: snapshot "a": no identity; it is kept and not counted
			warning: 2 snapshots such as "c": identity is not unique; they are kept and not counted`},
		{name: "alike but for the protection", policy: Policy{Last: 1}, clock: trusted(noon),
			snaps: []Snapshot{{Key: "k", Name: "x", Time: noon}, {Key: "k", Name: "x", Time: noon, Protected: "mounted"}}, want: `
			keep x: identity is not unique, mounted
			keep x: identity is not unique
			warning: 2 snapshots such as "x": identity is not unique; they are kept and not counted`},
		{name: "same second: by transaction, then key", policy: Policy{Last: 3, Hourly: 1}, clock: trusted(noon),
			snaps: []Snapshot{
				{Key: "1", Name: "low", Time: noon, Seq: 1}, {Key: "2", Name: "high", Time: noon, Seq: 9},
				{Key: "3", Name: "mid, key 3", Time: noon, Seq: 5}, {Key: "4", Name: "mid, key 4", Time: noon, Seq: 5},
				{Key: "5", Name: "lower", Time: noon.Add(-1), Seq: 7}, {Key: "6", Name: "lowest", Time: noon.Add(-2), Seq: 8}}, want: `
			keep high: newest, last 1 of 3
			keep mid, key 4: last 2 of 3
			keep mid, key 3: last 3 of 3
			keep low: hourly 2026-11-23T12
			delete lower: no rule keeps it (0s old)
			delete lowest: no rule keeps it (0s old)`},
		{name: "made last, but under a clock that was behind", policy: Policy{Within: 30 * day}, clock: trusted(noon),
			snaps: change(aged(0, 300*day, 365*day), "c", func(s *Snapshot) { s.Seq = 5000 }), want: `
			keep a: newest, within 30d
			delete b: older than 30d (300d), no rule keeps it
			keep c: newest by transaction`},

		{name: "clock not trusted", policy: Policy{Within: day, Last: 1}, clock: unsynced,
			snaps: pin(every(40*day, 3), "c", "mounted"), want: `
			keep a: newest, last 1 of 1, clock is not trusted: not synchronised
			keep b: clock is not trusted: not synchronised
			keep c: mounted, clock is not trusted: not synchronised
			warning: clock is not trusted: not synchronised; nothing is deleted`},
		{name: "clock not trusted, freshness asked for", policy: Policy{Last: 1, FreshWithin: day}, clock: Clock{Now: noon},
			snaps: every(hour, 2), want: `
			keep a: newest, last 1 of 1, clock is not trusted
			keep b: clock is not trusted
			warning: clock is not trusted; nothing is deleted`},
		{name: "clock at zero", policy: Policy{Daily: 1}, clock: Clock{Trusted: true}, snaps: aged(0), want: `
			keep a: newest, clock is not trusted: the time is not set
			warning: clock is not trusted: the time is not set; nothing is deleted`},
		{name: "clock not trusted, count only: by transaction", policy: Policy{Last: 1, AtLeast: 2}, clock: unsynced,
			snaps: []Snapshot{
				{Key: "1", Name: "oldest, of 2099", Time: noon.Add(80 * 365 * day), Seq: 1},
				{Key: "2", Name: "newest, of 1970", Time: time.Unix(5, 0), Seq: 4},
				{Key: "3", Name: "middle", Time: noon, Seq: 3},
				{Key: "4", Name: "pinned", Time: noon, Seq: 2, Protected: "pinned: x"},
				{Key: "5", Name: "unknown", Time: noon}}, want: `
			keep newest, of 1970: newest, last 1 of 1
			keep middle: floor 2 of 2
			keep pinned: pinned: x
			delete oldest, of 2099: no rule keeps it
			keep unknown: no creation order
			warning: snapshot "unknown": no creation order; it is kept and not counted`},

		{name: "delete cap", policy: Policy{Last: 1, MaxDeletes: 2}, clock: trusted(noon), snaps: pin(every(day, 5), "e", "mounted"), want: `
			keep a: newest, last 1 of 1
			keep b: delete cap of 2
			delete c: no rule keeps it (2d old)
			delete d: no rule keeps it (3d old)
			keep e: mounted
			warning: delete cap of 2 reached; 1 more would be deleted`},
		{name: "delete cap just reached", policy: Policy{Last: 1, MaxDeletes: 1}, clock: trusted(noon), snaps: every(day, 2), want: `
			keep a: newest, last 1 of 1
			delete b: no rule keeps it (1d old)`},
		{name: "policy without a rule", policy: Policy{AtLeast: 1}, clock: trusted(noon), snaps: pin(every(day, 2), "a", "mounted"), want: `
			keep a: mounted, policy is not valid
			keep b: policy is not valid
			warning: policy is not valid, nothing is deleted: no rule is set, only the newest 1 would stay; set at least one of within, last, frequently, hourly, daily, weekly, monthly, quarterly, yearly`},
		{name: "huge numbers", policy: Policy{Within: math.MaxInt64, Last: math.MaxInt, Hourly: math.MaxInt, AtLeast: math.MaxInt,
			FreshWithin: math.MaxInt64, MaxDeletes: math.MaxInt}, clock: trusted(noon), snaps: aged(0), want: `
			keep a: newest, last 1 of 9223372036854775807, within 106751d 23h 47m 16.854775807s, hourly 2026-11-23T12`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := Decide(c.policy, c.clock, c.snaps)
			got := strings.TrimSpace(show(d))
			want := strings.TrimSpace(strings.ReplaceAll(c.want, "\t", ""))
			if got != want {
				t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
			}
			checkCounts(t, d)
		})
	}
}

// checkCounts compares the numbers of a decision with its verdicts.
func checkCounts(t *testing.T, d Decision) {
	t.Helper()
	var keep, gone, quarantined int
	for _, v := range d.Verdicts {
		if v.Keep {
			keep++
		} else {
			gone++
		}
		if v.Quarantined {
			quarantined++
		}
		if len(v.Reasons) == 0 {
			t.Errorf("%s: no reason", v.Name)
		}
		if v.Quarantined && !v.Keep {
			t.Errorf("%s: quarantined and deleted", v.Name)
		}
	}
	if keep != d.Kept || gone != d.Deleted || quarantined != d.Quarantined || d.Held > d.Kept || len(d.Deletes()) != gone {
		t.Errorf("counts are wrong: %d kept, %d deleted, %d quarantined, %d held for\n%s", d.Kept, d.Deleted, d.Quarantined, d.Held, show(d))
	}
	if d.Blocked != "" && gone > 0 {
		t.Errorf("deleted %d although %s", gone, d.Blocked)
	}
}

func TestDeletesOldestFirst(t *testing.T) {
	t.Parallel()
	d := Decide(Policy{Last: 1}, trusted(noon), every(day, 5))
	if got, want := names(d.Deletes()), "e d c b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		policy Policy
		clock  Clock
		held   int
	}{
		{Policy{Last: 1}, trusted(noon), 0},
		{Policy{Last: 1, MaxDeletes: 3}, trusted(noon), 1},
		{Policy{Last: 1, FreshWithin: hour}, trusted(noon.Add(day)), 4},
		{Policy{Last: 2, Within: hour}, Clock{}, 3},
		{Policy{}, trusted(noon), 5},
	} {
		if got := Decide(c.policy, c.clock, every(day, 5)).Held; got != c.held {
			t.Errorf("%+v: held %d, want %d", c.policy, got, c.held)
		}
	}
}

func TestInputIsNotChanged(t *testing.T) {
	t.Parallel()
	snaps := every(day, 9)
	slices.Reverse(snaps)
	before := slices.Clone(snaps)
	Decide(Policy{Last: 3, Daily: 2}, trusted(noon), snaps)
	if !slices.Equal(snaps, before) {
		t.Error("the input was changed")
	}
}
