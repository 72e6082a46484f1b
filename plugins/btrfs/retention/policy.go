package retention

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Policy says which snapshots of a source to keep. A snapshot stays if at least one rule keeps it. Every field is optional and
// its zero value switches it off, but a policy without any rule (Within, Last, Frequently … YearlyWithin) is not valid.
type Policy struct {
	// Within keeps every snapshot whose age is at most Within; one that is exactly that old stays.
	Within time.Duration
	// Last keeps the newest Last snapshots. Protected ones stay in addition and use up no slot.
	Last int

	// Frequently to Yearly keep one snapshot, the oldest unless KeepNewest, of each of the newest N buckets that have one:
	// periods of FrequentPeriod, hours, days, weeks, months, quarters and years. A protected snapshot represents its bucket like
	// any other one.
	Frequently, Hourly, Daily, Weekly, Monthly, Quarterly, Yearly int
	// FrequentlyWithin to YearlyWithin keep the same one of each bucket, as long as the bucket is not over for longer than that:
	// of the bucket that contains the instant so long ago, and of all later ones, however many have a snapshot. A bucket that
	// both the count and the age would keep is kept once; what either keeps, stays.
	FrequentlyWithin, HourlyWithin, DailyWithin, WeeklyWithin, MonthlyWithin, QuarterlyWithin, YearlyWithin time.Duration

	// KeepNewest makes the newest snapshot of a bucket stand for it, instead of the oldest.
	KeepNewest bool
	// FrequentPeriod is the length of the buckets of Frequently, which begin with the hour; it divides an hour. 0 means 15 minutes.
	FrequentPeriod time.Duration
	// DayStart is the hour, 0 to 23, on the clock on the wall at which days begin, and with them weeks, months, quarters and years:
	// what is taken while the clock shows an earlier hour belongs to the day before.
	DayStart int
	// WeekStart is the day on which weeks begin, as days after Monday: 0 is Monday, as ISO 8601 has it, 6 is Sunday.
	WeekStart int
	// Location is where hours and days begin; nil means UTC. An hour that the clocks show twice is two hours.
	Location *time.Location

	// AtLeast is the floor: the newest AtLeast valid snapshots stay whatever the rules say; protected ones count.
	// 0 counts as 1.
	AtLeast int
	// MaxDeletes is the delete cap: of the doomed snapshots only the oldest MaxDeletes are deleted. 0 means no cap.
	MaxDeletes int
	// FreshWithin stops every deletion when the newest valid snapshot is older than this. 0 means freshness is not asked for.
	// Freshness is a question of age: under a clock that is not trusted a policy with FreshWithin deletes nothing.
	FreshWithin time.Duration
}

// Validate reports everything that is wrong with the policy in one error, or nil. A policy without a rule is refused because it
// would keep nothing but the floor; whoever wants that says Last. Decide deletes nothing under a policy that is not valid.
func (p Policy) Validate() error {
	var problems []string
	durations := []struct {
		name  string
		value time.Duration
	}{{"within", p.Within}, {"fresh within", p.FreshWithin}, {"frequent period", p.FrequentPeriod}}
	counts := []struct {
		name  string
		value int
	}{{"last", p.Last}}
	for _, c := range p.calendars() {
		counts = append(counts, struct {
			name  string
			value int
		}{c.name, c.count})
		durations = append(durations, struct {
			name  string
			value time.Duration
		}{c.name + " within", c.within})
	}
	counts = append(counts, []struct {
		name  string
		value int
	}{{"at least", p.AtLeast}, {"max deletes", p.MaxDeletes}}...)
	for _, f := range durations {
		if f.value < 0 {
			problems = append(problems, fmt.Sprintf("%s is %s, it must not be negative", f.name, f.value))
		}
	}
	for _, f := range counts {
		if f.value < 0 {
			problems = append(problems, fmt.Sprintf("%s is %d, it must not be negative", f.name, f.value))
		}
	}
	if period := p.FrequentPeriod; period > 0 && (period%time.Minute != 0 || time.Hour%period != 0) {
		problems = append(problems, fmt.Sprintf("frequent period is %s, it must be whole minutes and divide an hour evenly", exact(period)))
	}
	if p.DayStart < 0 || p.DayStart > 23 {
		problems = append(problems, fmt.Sprintf("day start is %d, it must be an hour from 0 to 23", p.DayStart))
	}
	if p.WeekStart < 0 || p.WeekStart > 6 {
		problems = append(problems, fmt.Sprintf("week start is %d, it must be from 0 (Monday) to 6 (Sunday)", p.WeekStart))
	}
	if len(problems) == 0 && p.Last == 0 && !p.byTime() {
		problems = append(problems, fmt.Sprintf("no rule is set, only the newest %d would stay; "+
			"set at least one of within, last, frequently, hourly, daily, weekly, monthly, quarterly, yearly", p.floor()))
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}

// byTime reports whether a rule of the policy needs to know what time it is or when a snapshot was made.
func (p Policy) byTime() bool {
	if p.Within != 0 {
		return true
	}
	for _, c := range p.calendars() {
		if c.count != 0 || c.within != 0 {
			return true
		}
	}
	return false
}

// countOnly reports whether the policy can be decided by the order of creation alone.
func (p Policy) countOnly() bool { return !p.byTime() && p.FreshWithin == 0 }

func (p Policy) floor() int { return max(1, p.AtLeast) }
