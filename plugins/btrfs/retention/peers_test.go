package retention

import (
	"math/rand/v2"
	"testing"
	"time"
)

// What snapper, btrbk and sanoid would keep, as their sources say (snapper client/cleanup.cc; btrbk "sub schedule"; sanoid
// prune_snapshots), and policies of ours that are to say the same. docs/explanation/retention.md has them as a table.

// starts of buckets in UTC, from hours to years.
var starts = []func(time.Time) time.Time{
	func(t time.Time) time.Time { return t.Truncate(hour) },
	func(t time.Time) time.Time { return t.Truncate(day) },
	func(t time.Time) time.Time { return t.Truncate(day).AddDate(0, 0, -(int(t.Weekday())+6)%7) },
	func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) },
	func(t time.Time) time.Time { return time.Date(t.Year(), (t.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC) },
	func(t time.Time) time.Time { return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC) },
}

// past is snapshots with gaps and crowds, the newest first.
func past(r *rand.Rand) []Snapshot {
	ages := []time.Duration{}
	age := time.Duration(r.IntN(100)) * hour
	for range 150 {
		ages = append(ages, age)
		age += []time.Duration{7 * time.Minute, 6 * hour, 6 * hour, day, 9 * day}[r.IntN(5)] + time.Duration(r.IntN(900))*time.Second
	}
	var snaps []Snapshot
	for i, age := range ages {
		at := noon.Add(-age)
		snaps = append(snaps, Snapshot{Key: at.String(), Name: at.Format(time.RFC3339), Time: at, Seq: uint64(1000 - i)})
	}
	return snaps
}

// isFirst reports whether the next older snapshot is in another bucket.
func isFirst(snaps []Snapshot, i, bucket int) bool {
	return i == len(snaps)-1 || !starts[bucket](snaps[i+1].Time).Equal(starts[bucket](snaps[i].Time))
}

func forPasts(t *testing.T, check func(r *rand.Rand, snaps []Snapshot)) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		check(r, past(r))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestAsSnapper(t *testing.T) {
	forPasts(t, func(r *rand.Rand, snaps []Snapshot) {
		limits := make([]int, len(starts))
		for i := range limits {
			limits[i] = r.IntN(12)
		}
		limits[0]++
		minAge := time.Duration(r.IntN(3)) * hour
		left := append([]int{}, limits...)
		keep := map[string]bool{snaps[0].Name: true} // ours only
		for i, s := range snaps {
			for b := range starts {
				if left[b] > 0 && isFirst(snaps, i, b) {
					left[b]--
					keep[s.Name] = true
				}
			}
			if minAge > 0 && noon.Sub(s.Time) <= minAge {
				keep[s.Name] = true
			}
		}
		p := Policy{Within: minAge, Hourly: limits[0], Daily: limits[1], Weekly: limits[2], Monthly: limits[3], Quarterly: limits[4], Yearly: limits[5]}
		for _, v := range Decide(p, trusted(noon), snaps).Verdicts {
			if v.Keep != keep[v.Name] {
				t.Errorf("%s: keep is %t\n%+v", v.Name, v.Keep, p)
			}
		}
	})
}

func TestAsBtrbk(t *testing.T) {
	forPasts(t, func(r *rand.Rand, snaps []Snapshot) {
		hours, days, weeks := 1+r.IntN(100), r.IntN(30), r.IntN(30)
		lengths := []time.Duration{hour, day, 7 * day}
		keep := map[string]bool{snaps[0].Name: true} // ours only
		for i, s := range snaps {
			for b, most := range []int{hours, days, weeks} {
				back := starts[b](noon).Sub(starts[b](s.Time)) / lengths[b]
				if most > 0 && int(back) <= most && isFirst(snaps, i, b) {
					keep[s.Name] = true
				}
			}
		}
		p := Policy{HourlyWithin: time.Duration(hours) * hour, DailyWithin: time.Duration(days) * day, WeeklyWithin: time.Duration(weeks) * 7 * day}
		for _, v := range Decide(p, trusted(noon), snaps).Verdicts {
			if v.Keep != keep[v.Name] {
				t.Errorf("%s: keep is %t\n%+v", v.Name, v.Keep, p)
			}
		}
	})
}

// Where sanoid would have made a snapshot of a type, the first of an hour, a day … is the one that counts. All that sanoid
// keeps stays, and besides at most the one of each type whose hour, day … is not over for so long, and the newest.
func TestAsSanoid(t *testing.T) {
	forPasts(t, func(r *rand.Rand, snaps []Snapshot) {
		periods := []time.Duration{hour, day, 7 * day, 31 * day}
		counts := []int{1 + r.IntN(40), r.IntN(40), r.IntN(10), r.IntN(10)}
		keep := map[string]bool{}
		for b, n := range counts {
			seen := 0
			for i, s := range snaps {
				if !isFirst(snaps, i, b) {
					continue
				}
				if seen < n || n > 0 && noon.Sub(s.Time) <= time.Duration(n)*periods[b] {
					keep[s.Name] = true
				}
				seen++
			}
		}
		p := Policy{Hourly: counts[0], Daily: counts[1], Weekly: counts[2], Monthly: counts[3]}
		for b, within := range []*time.Duration{&p.HourlyWithin, &p.DailyWithin, &p.WeeklyWithin, &p.MonthlyWithin} {
			*within = time.Duration(counts[b]) * periods[b]
		}
		more := 0
		for _, v := range Decide(p, trusted(noon), snaps).Verdicts {
			if keep[v.Name] && !v.Keep {
				t.Errorf("%s goes\n%+v", v.Name, p)
			}
			if v.Keep && !keep[v.Name] {
				more++
			}
		}
		if more > len(periods)+1 {
			t.Errorf("%d more stay\n%+v", more, p)
		}
	})
}
