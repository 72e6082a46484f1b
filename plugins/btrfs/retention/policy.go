package retention

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Policy says which snapshots of a source to keep. A snapshot stays if at least one rule keeps it. Every field is optional and
// its zero value switches it off, but a policy without any rule (Within, Last, Hourly … Yearly) is not valid.
type Policy struct {
	// Within keeps every snapshot whose age is at most Within; one that is exactly that old stays.
	Within time.Duration
	// Last keeps the newest Last snapshots. Protected ones stay in addition and use up no slot.
	Last int

	// Hourly, Daily, Weekly, Monthly and Yearly keep the oldest snapshot of each of the newest N hours, days, ISO weeks, months
	// and years that have a snapshot. A protected snapshot represents its bucket like any other one.
	Hourly, Daily, Weekly, Monthly, Yearly int
	// Location is where hours, days, weeks, months and years begin; nil means UTC. An hour that the clocks show twice is two
	// hours.
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
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"within", p.Within}, {"fresh within", p.FreshWithin}} {
		if f.value < 0 {
			problems = append(problems, fmt.Sprintf("%s is %s, it must not be negative", f.name, f.value))
		}
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"last", p.Last}, {"hourly", p.Hourly}, {"daily", p.Daily}, {"weekly", p.Weekly}, {"monthly", p.Monthly},
		{"yearly", p.Yearly}, {"at least", p.AtLeast}, {"max deletes", p.MaxDeletes},
	} {
		if f.value < 0 {
			problems = append(problems, fmt.Sprintf("%s is %d, it must not be negative", f.name, f.value))
		}
	}
	if len(problems) == 0 && p.Last == 0 && !p.byTime() {
		problems = append(problems, fmt.Sprintf("no rule is set, only the newest %d would stay; "+
			"set at least one of within, last, hourly, daily, weekly, monthly, yearly", p.floor()))
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "; "))
}

// byTime reports whether a rule of the policy needs to know what time it is or when a snapshot was made.
func (p Policy) byTime() bool {
	return p.Within != 0 || p.Hourly != 0 || p.Daily != 0 || p.Weekly != 0 || p.Monthly != 0 || p.Yearly != 0
}

// countOnly reports whether the policy can be decided by the order of creation alone.
func (p Policy) countOnly() bool { return !p.byTime() && p.FreshWithin == 0 }

func (p Policy) floor() int { return max(1, p.AtLeast) }
