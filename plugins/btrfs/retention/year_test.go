package retention

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A year of snapshots every six hours, pruned after each of them.
func TestYear(t *testing.T) {
	t.Parallel()
	policy := Policy{Within: 2 * day, Last: 4, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 2, FreshWithin: day}
	var left, all []Snapshot
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC)
	var d Decision
	for seq := uint64(1); !now.After(end); seq++ {
		name := now.Format("01-02T15")
		s := Snapshot{Key: fmt.Sprint(seq), Name: name, Time: now, Seq: seq}
		all, left = append(all, s), append(left, s)
		d = Decide(policy, trusted(now), left)
		if len(d.Warnings) > 0 || d.Deleted > 4 {
			t.Fatalf("%s: %s", name, show(d))
		}
		left = survivors(d)
		now = now.Add(6 * hour)
	}
	now = end

	want := strings.Fields(`
		12-31T18 12-31T12 12-31T06 12-31T00 12-30T18 12-30T12 12-30T06 12-30T00 12-29T18
		12-29T00 12-28T00 12-27T00 12-26T00 12-25T00 12-24T00 12-23T00 12-22T00 12-21T00 12-20T00 12-19T00 12-18T00
		12-14T00 12-07T00 11-30T00 11-23T00 11-16T00 11-09T00
		12-01T00 11-01T00 10-01T00 09-01T00 08-01T00 07-01T00 06-01T00 05-01T00 04-01T00 03-01T00 02-01T00 01-01T00`)
	slices.Sort(want)
	slices.Reverse(want)
	if got := names(kept(d)); got != strings.Join(want, " ") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, " "))
	}
	if len(all) != 1460 || d.Kept != 9+12+6+12 {
		t.Errorf("%d made, %d left", len(all), d.Kept)
	}

	// What is left does not depend on how often somebody pruned.
	once := Decide(policy, trusted(now), all)
	if !slices.Equal(survivors(once), left) {
		t.Errorf("pruned once:\n%s\npruned every time:\n%s", names(kept(once)), names(kept(d)))
	}
	count := make(map[string]int)
	for _, v := range kept(once) {
		for _, reason := range v.Reasons {
			rule, _, _ := strings.Cut(reason, " ")
			count[rule]++
		}
	}
	for rule, n := range map[string]int{"newest": 1, "last": 4, "within": 9, "daily": 14, "weekly": 8, "monthly": 12, "yearly": 1, "hourly": 0} {
		if count[rule] != n {
			t.Errorf("%s keeps %d, want %d", rule, count[rule], n)
		}
	}

	// The machine is off for 60 days: what the calendar keeps stays, and nothing goes before there is a fresh snapshot.
	back := end.Add(60 * day)
	if d := Decide(policy, trusted(back), left); d.Deleted != 0 || d.Blocked == "" || len(d.Warnings) != 1 {
		t.Errorf("after 60 days:\n%s", show(d))
	}
	left = append(left, Snapshot{Key: "back", Name: "back", Time: back, Seq: 5000})
	if d := Decide(policy, trusted(back), left); names(d.Deletes()) != "11-09T00 12-18T00 12-29T18 12-30T06 12-30T12 12-30T18" {
		t.Errorf("after 60 days and a fresh one, deletes %s", names(d.Deletes()))
	}
}
