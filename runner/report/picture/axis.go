package picture

import (
	"slices"
	"time"
)

// Span is a part of the axis of time, from its Start until before its End.
type Span struct{ Start, End time.Time }

func (s Span) has(t time.Time) bool { return !t.Before(s.Start) && t.Before(s.End) }

// at is where an instant is on the span, 0 to 1 within it.
func (s Span) at(t time.Time) float64 {
	return float64(t.Sub(s.Start)) / float64(s.End.Sub(s.Start))
}

// midnight is the beginning of a day, some days after that of t.
func midnight(t time.Time, days int) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d+days, 0, 0, 0, 0, t.Location())
}

// FirstDay is the beginning of the first of so many days, the last of which is that of now.
func FirstDay(now time.Time, days int) time.Time { return midnight(now, 1-days) }

// Axis is the axis of time of all pictures of a report, in whole days of a place: until the end of the day of At.
type Axis struct {
	Span
	Days int
	now  time.Time
}

// Axis lays out the report's axis of time.
func (r *Report) Axis(place *time.Location) Axis {
	now := r.At.In(place)
	a := Axis{Span: Span{midnight(r.Since.In(place), 0), midnight(now, 1)}, now: now}
	for midnight(a.Start, a.Days).Before(a.End) {
		a.Days++
	}
	return a
}

// Columns parts the axis into at most so many columns of as many whole days each. The first may begin before the axis does.
func (a Axis) Columns(most int) []Span {
	width := max(1, (a.Days+most-1)/max(most, 1))
	var all []Span
	for end := a.Days; end > 0; end -= width {
		all = append(all, Span{midnight(a.Start, end-width), midnight(a.Start, end)})
	}
	slices.Reverse(all)
	return all
}

// Tick is a mark on the axis.
type Tick struct {
	At    time.Time
	Label string
}

// Ticks are at most so many marks on the axis at days that people count by, the oldest first.
func (a Axis) Ticks(most int) []Tick {
	for _, days := range []int{1, 2, 7, 14} {
		if a.Days/days >= most {
			continue
		}
		var all []Tick
		for i := 0; i < a.Days; i++ {
			at := midnight(a.Start, i)
			if ordinal := int(at.Sub(time.Date(2001, 1, 1, 0, 0, 0, 0, a.Start.Location()))+12*time.Hour) / int(24*time.Hour); ordinal%days == 0 { // a Monday
				all = append(all, Tick{at, at.Format("2 Jan")})
			}
		}
		return all
	}
	for months := 1; ; months++ {
		var all []Tick
		y, m, _ := a.Start.Date()
		for at := time.Date(y, m, 1, 0, 0, 0, 0, a.Start.Location()); at.Before(a.End); at = at.AddDate(0, 1, 0) {
			if !at.Before(a.Start) && (at.Year()*12+int(at.Month())-1)%months == 0 {
				all = append(all, Tick{at, at.Format("Jan 2006")})
			}
		}
		if len(all) <= most {
			return all
		}
	}
}

// Counts is how many of some instants are in each of n equal parts of the axis.
func (a Axis) Counts(all []Snapshot, n int) []int {
	counts := make([]int, n)
	for _, s := range all {
		if a.has(s.Taken) {
			counts[min(int(a.at(s.Taken)*float64(n)), n-1)]++
		}
	}
	return counts
}

// Before is how many were taken before the axis begins.
func (a Axis) Before(all []Snapshot) int {
	n := 0
	for _, s := range all {
		if s.Taken.Before(a.Start) {
			n++
		}
	}
	return n
}

// History is how full a filesystem was on the axis, what is known of now at the end.
func (f Filesystem) History(a Axis) []Space {
	var all []Space
	for _, s := range f.Measured {
		if a.has(s.At) {
			all = append(all, s)
		}
	}
	if f.Now != nil {
		all = append(all, *f.Now)
	}
	return all
}
