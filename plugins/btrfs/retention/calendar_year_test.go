package retention

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// lived is what a year of snapshots and prunings leaves behind.
type lived struct {
	all, left []Snapshot
	now       time.Time
}

// live takes a snapshot at each instant, prunes, and compares the decision with the reference now and then.
func live(t *testing.T, p Policy, instants []time.Time, check func(now time.Time, d Decision)) lived {
	t.Helper()
	var l lived
	for i, now := range instants {
		s := Snapshot{Key: fmt.Sprint(i), Name: now.Format(time.RFC3339), Time: now, Seq: uint64(i + 1)}
		l.all, l.left = append(l.all, s), append(l.left, s)
		d := Decide(p, trusted(now), l.left)
		if _, before := now.Add(-day).In(p.location()).Zone(); i%97 == 0 || before != offset(now.In(p.location())) {
			for _, v := range d.Verdicts {
				if want := reference(p, trusted(now), l.left, v.Snapshot); v.Keep != want {
					t.Fatalf("%v: %s: keep is %t, want %t\n%s", now, v.Name, v.Keep, want, show(d))
				}
			}
		}
		if check != nil {
			check(now, d)
		}
		l.left, l.now = survivors(d), now
	}
	return l
}

func offset(t time.Time) int { _, seconds := t.Zone(); return seconds }

func instants(from time.Time, step time.Duration, count int) []time.Time {
	all := make([]time.Time, count)
	for i := range all {
		all[i] = from.Add(time.Duration(i) * step)
	}
	return all
}

// A year in zones with summer time, every kind of calendar rule: what is left does not depend on how often somebody pruned,
// and each kind of bucket has as many as were asked for.
func TestYearInZones(t *testing.T) {
	t.Parallel()
	policy := Policy{Frequently: 5, FrequentPeriod: hour, Hourly: 30, Daily: 14, Weekly: 8, Monthly: 12, Quarterly: 4, Yearly: 2,
		DailyWithin: 20 * day, DayStart: 2, WeekStart: 6, AtLeast: 3}
	year := instants(time.Date(2026, 1, 1, 0, 10, 0, 0, time.UTC), 6*hour, 1460)
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"} {
		for _, newest := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s newest %t", name, newest), func(t *testing.T) {
				t.Parallel()
				p := policy
				p.Location, p.KeepNewest = zone(t, name), newest
				l := live(t, p, year, func(now time.Time, d Decision) {
					if len(d.Warnings) > 0 || d.Deleted > 6 {
						t.Fatalf("%v: %s", now, show(d))
					}
				})
				once := Decide(p, trusted(l.now), l.all)
				if !slices.Equal(survivors(once), l.left) {
					t.Errorf("pruned once:\n%s\npruned every time:\n%s", names(kept(once)), names(kept(Decide(p, trusted(l.now), l.left))))
				}
				if len(l.left) < 50 || len(l.left) > 80 {
					t.Errorf("%d are left", len(l.left))
				}
			})
		}
	}
}

// Summer time ends: of a snapshot every ten minutes each of the 25 hours of that day keeps one.
func TestDayOf25Hours(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	begin := time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)
	l := live(t, Policy{Hourly: 100, Location: berlin}, instants(begin, 10*time.Minute, 25*6), nil)
	if len(l.left) != 25+1 { // and the newest
		t.Errorf("%d are left", len(l.left))
	}
	for i, s := range l.left[1:] {
		if want := begin.Add(time.Duration(24-i) * hour); !s.Time.Equal(want) {
			t.Errorf("%v is left, want %v", s.Time, want)
		}
	}
}

// A clock that is believed and jumps. Backwards: what seems to come from the future stays and counts for nothing, and when
// the clock is right again all is as if it had never jumped, but that what was taken meanwhile can stand for its bucket. Forwards: the rules that count
// lose no more than one old snapshot for each bucket of the time to come that they were shown.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	p := Policy{Daily: 14, Weekly: 8, Monthly: 12, AtLeast: 4, Location: zone(t, "Europe/Berlin")}
	year := instants(time.Date(2026, 1, 1, 0, 10, 0, 0, time.UTC), 6*hour, 800)
	straight := live(t, p, year, nil)

	for name, jump := range map[string]time.Duration{"back": -3*day - hour, "far back": -60*day - hour, "ahead": 3*day + hour, "far ahead": 40*day + hour} {
		t.Run(name, func(t *testing.T) {
			jumping := slices.Clone(year)
			for i := 600; i < 606; i++ {
				jumping[i] = jumping[i].Add(jump)
			}
			l := live(t, p, jumping, func(now time.Time, d Decision) {
				for _, v := range d.Deletes() {
					sameDay := func(other time.Time) bool { return p.moment(other).day.Equal(p.moment(v.Time).day) }
					if jump < 0 && slices.Contains(jumping[600:606], now) && !slices.ContainsFunc(jumping[600:606], sameDay) {
						t.Errorf("%v: %s goes by a clock that was set back", now, v.Name)
					}
				}
			})
			left := map[time.Time]bool{}
			for _, s := range l.left {
				left[s.Time] = true
			}
			lost := 0
			for _, s := range straight.left {
				if !left[s.Time] {
					lost++
				}
			}
			buckets := 2 + 1 // two days and one week are without the snapshots that have another time
			if jump > 0 {
				buckets += 2 + 2 + 1
			}
			if lost > buckets {
				t.Errorf("%d of %d are lost:\n%s", lost, len(straight.left), names(kept(Decide(p, trusted(l.now), l.left))))
			}
		})
	}
}
