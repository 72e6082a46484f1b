package retention

import "time"

// reference says whether a snapshot stays, straight from the documentation of Policy, one snapshot at a time and without sorting
// or shared state. It knows nothing of the delete cap.
func reference(p Policy, clock Clock, snaps []Snapshot, s Snapshot) bool {
	isTrusted := clock.Trusted && !clock.Now.IsZero()
	countOnly := p.Within == 0 && p.FreshWithin == 0
	for i, count := range counts(&p) {
		countOnly = countOnly && *count == 0 && *withins(&p)[i] == 0
	}
	if p.Validate() != nil || !isTrusted && !countOnly || s.Protected != "" {
		return true
	}
	isValid := func(s Snapshot) bool {
		same := 0
		for _, o := range snaps {
			if o.Key == s.Key {
				same++
			}
		}
		return s.Key != "" && same == 1 && s.Time.Unix() > 0 &&
			(isTrusted && s.Time.Sub(clock.Now) <= 5*time.Minute || !isTrusted && s.Seq > 0)
	}
	if !isValid(s) {
		return true
	}
	newer := func(a, b Snapshot) bool {
		switch {
		case isTrusted && !a.Time.Equal(b.Time):
			return a.Time.After(b.Time)
		case a.Seq != b.Seq:
			return a.Seq > b.Seq
		}
		return a.Key > b.Key
	}
	var valid []Snapshot
	for _, o := range snaps {
		if isValid(o) {
			valid = append(valid, o)
		}
	}
	before, beforeUnprotected := 0, 0
	newest, lastMade := s, true
	for _, o := range valid {
		if newer(o, s) {
			before++
			if o.Protected == "" {
				beforeUnprotected++
			}
		}
		if newer(o, newest) {
			newest = o
		}
		if o.Seq > s.Seq {
			lastMade = false
		}
	}
	for _, o := range valid {
		if o.Seq == s.Seq && newer(o, s) {
			lastMade = false
		}
	}
	if isTrusted && lastMade && newest.Seq != 0 {
		return true
	}
	if before < max(1, p.AtLeast) || beforeUnprotected < p.Last {
		return true
	}
	if !isTrusted {
		return false
	}
	if clock.Now.Sub(s.Time) <= p.Within && p.Within > 0 || p.FreshWithin > 0 && clock.Now.Sub(newest.Time) > p.FreshWithin {
		return true
	}
	loc := time.UTC
	if p.Location != nil {
		loc = p.Location
	}
	period := 15
	if p.FrequentPeriod > 0 {
		period = int(p.FrequentPeriod / time.Minute)
	}
	fine := func(minutes int) func(time.Time) time.Time {
		return func(t time.Time) time.Time {
			return t.Add(-time.Duration(t.Minute()%minutes*60+t.Second())*time.Second - time.Duration(t.Nanosecond()))
		}
	}
	coarse := func(start func(y int, m time.Month, d, weekday int) time.Time) func(time.Time) time.Time {
		return func(t time.Time) time.Time {
			wall := time.Date(t.Year(), t.Month(), t.Day(), t.Hour()-p.DayStart, 0, 0, 0, time.UTC)
			return start(wall.Year(), wall.Month(), wall.Day(), int(wall.Weekday()))
		}
	}
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	for i, start := range []func(time.Time) time.Time{ // of the bucket, as a wall clock in UTC
		fine(period),
		fine(60),
		coarse(func(y int, m time.Month, d, _ int) time.Time { return date(y, m, d) }),
		coarse(func(y int, m time.Month, d, weekday int) time.Time {
			for weekday != (p.WeekStart+1)%7 {
				d, weekday = d-1, (weekday+6)%7
			}
			return date(y, m, d)
		}),
		coarse(func(y int, m time.Month, _, _ int) time.Time { return date(y, m, 1) }),
		coarse(func(y int, m time.Month, _, _ int) time.Time { return date(y, m-(m-1)%3, 1) }),
		coarse(func(y int, _ time.Month, _, _ int) time.Time { return date(y, 1, 1) }),
	} {
		rule := struct {
			count  int
			within time.Duration
			start  func(time.Time) time.Time
		}{*counts(&p)[i], *withins(&p)[i], start}
		mine := rule.start(s.Time.In(loc))
		stands, later := true, map[int64]bool{}
		for _, o := range valid {
			theirs := rule.start(o.Time.In(loc))
			if theirs.Equal(mine) && (!p.KeepNewest && newer(s, o) || p.KeepNewest && newer(o, s)) {
				stands = false
			}
			if theirs.After(mine) {
				later[theirs.Unix()] = true
			}
		}
		young := rule.within > 0 && !rule.start(clock.Now.Add(-rule.within).In(loc)).After(mine)
		if stands && (len(later) < rule.count || young) {
			return true
		}
	}
	return false
}
