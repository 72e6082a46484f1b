package retention

import "time"

// reference says whether a snapshot stays, straight from the documentation of Policy, one snapshot at a time and without sorting
// or shared state. It knows nothing of the delete cap.
func reference(p Policy, clock Clock, snaps []Snapshot, s Snapshot) bool {
	isTrusted := clock.Trusted && !clock.Now.IsZero()
	countOnly := p.Within == 0 && p.Hourly+p.Daily+p.Weekly+p.Monthly+p.Yearly == 0 && p.FreshWithin == 0
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
	for _, rule := range []struct {
		count int
		start func(time.Time) time.Time // of the bucket, as a wall clock in UTC
	}{
		{p.Hourly, func(t time.Time) time.Time {
			return t.Add(-time.Duration(t.Minute()*60+t.Second())*time.Second - time.Duration(t.Nanosecond()))
		}},
		{p.Daily, func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }},
		{p.Weekly, func(t time.Time) time.Time {
			return time.Date(t.Year(), t.Month(), t.Day()-(int(t.Weekday())+6)%7, 0, 0, 0, 0, time.UTC)
		}},
		{p.Monthly, func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }},
		{p.Yearly, func(t time.Time) time.Time { return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC) }},
	} {
		mine := rule.start(s.Time.In(loc))
		oldest, later := true, map[int64]bool{}
		for _, o := range valid {
			theirs := rule.start(o.Time.In(loc))
			if theirs.Equal(mine) && newer(s, o) {
				oldest = false
			}
			if theirs.After(mine) {
				later[theirs.Unix()] = true
			}
		}
		if oldest && len(later) < rule.count {
			return true
		}
	}
	return false
}
