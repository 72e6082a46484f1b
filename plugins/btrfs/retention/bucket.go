package retention

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// moment is an instant as the calendar of a policy sees it.
type moment struct {
	at  time.Time // in the location of the policy
	day time.Time // the day that it belongs to, as midnight UTC
}

// moment of an instant, in any location.
func (p Policy) moment(t time.Time) moment {
	t = t.In(p.location())
	year, month, day := t.Date()
	if t.Hour() < p.DayStart {
		day--
	}
	return moment{t, time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}

// calendar is a rule that cuts time into buckets.
type calendar struct {
	name   string
	count  int
	within time.Duration
	// key is the same for two instants of one bucket, and higher for a later bucket.
	key func(moment) int64
	// label names the bucket in words for the user.
	label func(moment) string
	// end is the first instant that belongs to a later bucket.
	end func(moment) time.Time
}

// calendars returns the calendar rules of the policy from the finest to the coarsest.
func (p Policy) calendars() []calendar {
	minute, hour := "2006-01-02T15:04", "2006-01-02T15"
	if p.location() != time.UTC {
		minute += "-07:00" // tells the two 02 o'clocks apart when summer time ends
		hour += "-07:00"
	}
	period := p.period()
	week := func(m moment) time.Time { return m.day.AddDate(0, 0, -(int(m.day.Weekday())+13-p.WeekStart)%7) }
	quarter := func(m moment) int { return (int(m.day.Month()) - 1) / 3 }
	number := func(t time.Time) int64 { return t.Unix() / int64(day/time.Second) }
	return []calendar{
		{"frequently", p.Frequently, p.FrequentlyWithin,
			func(m moment) int64 { return startOf(m.at, period) },
			func(m moment) string { return time.Unix(startOf(m.at, period), 0).In(m.at.Location()).Format(minute) },
			func(m moment) time.Time { return time.Unix(startOf(m.at, period), 0).Add(period) }},
		{"hourly", p.Hourly, p.HourlyWithin,
			func(m moment) int64 { return startOf(m.at, time.Hour) },
			func(m moment) string { return m.at.Format(hour) },
			func(m moment) time.Time { return time.Unix(startOf(m.at, time.Hour), 0).Add(time.Hour) }},
		{"daily", p.Daily, p.DailyWithin,
			func(m moment) int64 { return number(m.day) },
			func(m moment) string { return m.day.Format(time.DateOnly) },
			func(m moment) time.Time { return p.begin(m.day.AddDate(0, 0, 1)) }},
		{"weekly", p.Weekly, p.WeeklyWithin,
			func(m moment) int64 { return number(week(m)) },
			func(m moment) string {
				if p.WeekStart != 0 {
					return "from " + week(m).Format(time.DateOnly)
				}
				y, w := m.day.ISOWeek()
				return fmt.Sprintf("%04d-W%02d", y, w)
			},
			func(m moment) time.Time { return p.begin(week(m).AddDate(0, 0, 7)) }},
		{"monthly", p.Monthly, p.MonthlyWithin,
			func(m moment) int64 { return int64(m.day.Year())*100 + int64(m.day.Month()) },
			func(m moment) string { return m.day.Format("2006-01") },
			func(m moment) time.Time { return p.begin(first(m.day.Year(), m.day.Month()+1)) }},
		{"quarterly", p.Quarterly, p.QuarterlyWithin,
			func(m moment) int64 { return int64(m.day.Year())*10 + int64(quarter(m)) },
			func(m moment) string { return fmt.Sprintf("%04d-Q%d", m.day.Year(), quarter(m)+1) },
			func(m moment) time.Time { return p.begin(first(m.day.Year(), time.Month(3*quarter(m)+4))) }},
		{"yearly", p.Yearly, p.YearlyWithin,
			func(m moment) int64 { return int64(m.day.Year()) },
			func(m moment) string { return m.day.Format("2006") },
			func(m moment) time.Time { return p.begin(first(m.day.Year()+1, time.January)) }},
	}
}

// first is the first day of a month; month 13 is January of the next year.
func first(year int, month time.Month) time.Time {
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

// startOf is the Unix time at which the hour on the wall began, or the period in it, as if the offset of t had been in force
// all along. So the same hour on the wall under two offsets is two buckets.
func startOf(t time.Time, period time.Duration) int64 {
	into := time.Duration(t.Minute()*60+t.Second()) * time.Second
	return t.Unix() - int64(into%period/time.Second)
}

// begin is the first instant that belongs to a day, given as midnight UTC, or to a later one.
func (p Policy) begin(day time.Time) time.Time {
	begin := time.Date(day.Year(), day.Month(), day.Day(), p.DayStart, 0, 0, 0, p.location())
	reached := func(t time.Time) bool { return !p.moment(t).day.Before(day) }
	if reached(begin) && !reached(begin.Add(-1)) {
		return begin
	}
	// The clocks skip that hour, or show it twice. No zone ever moved by more than a day.
	low, high := begin.Add(-26*time.Hour), begin.Add(26*time.Hour)
	for high.Sub(low) > 1 {
		if middle := low.Add(high.Sub(low) / 2); reached(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// bucket is a run of entries that share one. A zone that sets its clocks back over midnight visits a day twice.
type bucket struct {
	key            int64
	oldest, newest *entry
}

// apply keeps one entry of each bucket that the rule asks for. The entries come newest first. Buckets are ordered by the
// calendar, not by their newest entry: of a bucket that is visited twice only the calendar gives the same answer before and
// after the deletions.
func (c calendar) apply(p Policy, now time.Time, valid []*entry) {
	if c.count == 0 && c.within == 0 {
		return
	}
	var buckets []bucket
	for _, e := range valid {
		k := c.key(e.moment)
		if last := len(buckets) - 1; last >= 0 && buckets[last].key == k {
			buckets[last].oldest = e
		} else {
			buckets = append(buckets, bucket{k, e, e})
		}
	}
	if !p.KeepNewest {
		slices.Reverse(buckets) // oldest first, so that of a bucket visited twice the first visit is the one to go by
	}
	slices.SortStableFunc(buckets, func(a, b bucket) int { return cmp.Compare(a.key, b.key) })
	buckets = slices.CompactFunc(buckets, func(a, b bucket) bool { return a.key == b.key })
	since := c.key(p.moment(now.Add(-c.within)))
	for i, b := range buckets {
		e := b.oldest
		if p.KeepNewest {
			e = b.newest
		}
		switch {
		case i >= len(buckets)-c.count:
			e.keep(c.name + " " + c.label(e.moment))
		case c.within > 0 && b.key >= since:
			e.keepUntil(c.name+" "+c.label(e.moment)+" within "+exact(c.within), c.end(e.moment).Add(c.within))
		}
	}
}

func (p Policy) location() *time.Location {
	if p.Location == nil {
		return time.UTC
	}
	return p.Location
}

func (p Policy) period() time.Duration {
	if p.FrequentPeriod <= 0 {
		return 15 * time.Minute
	}
	return p.FrequentPeriod
}
