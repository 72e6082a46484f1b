package retention

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// calendar is a rule that cuts time into buckets.
type calendar struct {
	name  string
	count int
	// key is the same for two instants of one bucket, and higher for a later bucket.
	key func(time.Time) int64
	// label names the bucket in words for the user.
	label func(time.Time) string
}

// calendars returns the calendar rules of the policy from the finest to the coarsest. The instants given to key and label must
// be in the location of the policy.
func (p Policy) calendars() []calendar {
	hour := "2006-01-02T15"
	if p.location() != time.UTC {
		hour += "-07:00" // tells the two 02 o'clocks apart when summer time ends
	}
	return []calendar{
		{"hourly", p.Hourly, startOfHour, func(t time.Time) string { return t.Format(hour) }},
		{"daily", p.Daily,
			func(t time.Time) int64 { return int64(t.Year())*1000 + int64(t.YearDay()) },
			func(t time.Time) string { return t.Format(time.DateOnly) }},
		{"weekly", p.Weekly,
			func(t time.Time) int64 { y, w := t.ISOWeek(); return int64(y)*100 + int64(w) },
			func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprintf("%04d-W%02d", y, w) }},
		{"monthly", p.Monthly,
			func(t time.Time) int64 { return int64(t.Year())*100 + int64(t.Month()) },
			func(t time.Time) string { return t.Format("2006-01") }},
		{"yearly", p.Yearly,
			func(t time.Time) int64 { return int64(t.Year()) },
			func(t time.Time) string { return t.Format("2006") }},
	}
}

// startOfHour is the Unix time at which the hour on the wall began, as if the offset of t had been in force all along. So the
// same hour on the wall under two offsets is two buckets.
func startOfHour(t time.Time) int64 {
	return t.Unix() - int64(t.Minute()*60+t.Second())
}

// apply keeps the oldest entry of each of the newest buckets. The entries come newest first. Buckets are ordered by the
// calendar, not by their newest entry: a zone that sets its clocks back over midnight visits a day twice, and then only the
// calendar gives the same answer before and after the deletions.
func (c calendar) apply(valid []*entry) {
	if c.count == 0 {
		return
	}
	type bucket struct {
		key    int64
		oldest *entry
	}
	var buckets []bucket
	for _, e := range valid {
		k := c.key(e.at)
		if last := len(buckets) - 1; last >= 0 && buckets[last].key == k {
			buckets[last].oldest = e
		} else {
			buckets = append(buckets, bucket{k, e})
		}
	}
	slices.Reverse(buckets) // oldest first, so that of a bucket visited twice the first visit is the one to go by
	slices.SortStableFunc(buckets, func(a, b bucket) int { return cmp.Compare(a.key, b.key) })
	buckets = slices.CompactFunc(buckets, func(a, b bucket) bool { return a.key == b.key })
	for _, b := range buckets[max(0, len(buckets)-c.count):] {
		b.oldest.keep(c.name + " " + c.label(b.oldest.at))
	}
}

func (p Policy) location() *time.Location {
	if p.Location == nil {
		return time.UTC
	}
	return p.Location
}
