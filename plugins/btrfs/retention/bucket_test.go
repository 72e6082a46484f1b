package retention

import (
	"strings"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	berlin, newfoundland := zone(t, "Europe/Berlin"), zone(t, "America/St_Johns")
	for _, c := range []struct {
		name   string
		policy Policy
		snaps  []Snapshot
		keep   string // name of every kept one and its calendar reasons, newest first
	}{
		{"the hour that summer time repeats is two hours", Policy{Hourly: 9, Location: berlin},
			at(t, "2026-10-25T00:30:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z", "2026-10-25T01:45:00Z", "2026-10-25T02:30:00Z"), `
			2026-10-25T02:30:00Z: hourly 2026-10-25T03+01:00
			2026-10-25T01:30:00Z: hourly 2026-10-25T02+01:00
			2026-10-25T00:30:00Z: hourly 2026-10-25T02+02:00`},
		{"UTC has no such hour", Policy{Hourly: 9},
			at(t, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"), `
			2026-10-25T01:30:00Z: hourly 2026-10-25T01
			2026-10-25T00:30:00Z: hourly 2026-10-25T00`},
		{"the hour that summer time skips costs nothing", Policy{Hourly: 2, Location: berlin},
			at(t, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"), `
			2026-03-29T01:30:00Z: hourly 2026-03-29T03+02:00
			2026-03-29T00:30:00Z: hourly 2026-03-29T01+01:00`},
		{"a day of 25 hours is one day", Policy{Daily: 9, Location: berlin},
			at(t, "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"), `
			2026-10-25T23:00:00Z: daily 2026-10-26
			2026-10-24T22:00:00Z: daily 2026-10-25`},
		{"an offset of half an hour", Policy{Hourly: 9, Location: zone(t, "Asia/Kolkata")},
			at(t, "2026-11-23T08:25:00Z", "2026-11-23T08:30:00Z", "2026-11-23T09:29:59Z"), `
			2026-11-23T09:29:59Z: 
			2026-11-23T08:30:00Z: hourly 2026-11-23T14+05:30
			2026-11-23T08:25:00Z: hourly 2026-11-23T13+05:30`},
		{"summer time of half an hour", Policy{Hourly: 9, Location: zone(t, "Australia/Lord_Howe")},
			at(t, "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T15:30:00Z"), `
			2026-04-04T15:30:00Z: hourly 2026-04-05T02+10:30
			2026-04-04T15:15:00Z: hourly 2026-04-05T01+10:30
			2026-04-04T14:45:00Z: hourly 2026-04-05T01+11:00`},
		{"a zone that went back over midnight", Policy{Daily: 1, Location: newfoundland}, // 2010-11-07 00:01 -> 2010-11-06 23:01
			at(t, "2010-11-06T12:00:00Z", "2010-11-07T02:30:30Z", "2010-11-07T02:40:00Z"), `
			2010-11-07T02:40:00Z: 
			2010-11-07T02:30:30Z: daily 2010-11-07`},
		{"a day visited twice is one day", Policy{Daily: 2, Location: newfoundland},
			at(t, "2010-11-06T12:00:00Z", "2010-11-07T02:30:30Z", "2010-11-07T02:40:00Z", "2010-11-07T12:00:00Z"), `
			2010-11-07T12:00:00Z: 
			2010-11-07T02:30:30Z: daily 2010-11-07
			2010-11-06T12:00:00Z: daily 2010-11-06`},
		{"ISO weeks across the year", Policy{Weekly: 9, Yearly: 9},
			at(t, "2026-12-27T23:59:59Z", "2026-12-28T00:00:00Z", "2027-01-01T00:00:00Z", "2027-01-03T23:59:59Z", "2027-01-04T00:00:00Z"), `
			2027-01-04T00:00:00Z: weekly 2027-W01
			2027-01-01T00:00:00Z: yearly 2027
			2026-12-28T00:00:00Z: weekly 2026-W53
			2026-12-27T23:59:59Z: weekly 2026-W52, yearly 2026`},
		{"the newest buckets that have snapshots", Policy{Monthly: 3},
			at(t, "2019-01-01T00:00:00Z", "2020-05-05T00:00:00Z", "2025-02-03T00:00:00Z", "2025-02-04T00:00:00Z", "2026-11-01T00:00:00Z"), `
			2026-11-01T00:00:00Z: monthly 2026-11
			2025-02-03T00:00:00Z: monthly 2025-02
			2020-05-05T00:00:00Z: monthly 2020-05`},
		{"the same month of other years", Policy{Monthly: 9},
			at(t, "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"), `
			2026-02-28T00:00:00Z: monthly 2026-02
			2025-02-28T00:00:00Z: monthly 2025-02
			2024-02-29T00:00:00Z: monthly 2024-02`},
		{"periods of a quarter of an hour", Policy{Frequently: 2},
			at(t, "2026-11-23T09:59:59Z", "2026-11-23T10:00:00Z", "2026-11-23T10:14:59Z", "2026-11-23T10:15:00Z", "2026-11-23T10:40:00Z"), `
			2026-11-23T10:40:00Z: frequently 2026-11-23T10:30
			2026-11-23T10:15:00Z: frequently 2026-11-23T10:15`},
		{"periods of 20 minutes, an offset of 45", Policy{Frequently: 9, FrequentPeriod: 20 * time.Minute, Location: zone(t, "Asia/Kathmandu")},
			at(t, "2026-11-23T10:14:00Z", "2026-11-23T10:15:00Z", "2026-11-23T10:34:59Z"), `
			2026-11-23T10:34:59Z: 
			2026-11-23T10:15:00Z: frequently 2026-11-23T16:00+05:45
			2026-11-23T10:14:00Z: frequently 2026-11-23T15:40+05:45`},
		{"weeks that begin on Sunday", Policy{Weekly: 9, WeekStart: 6},
			at(t, "2026-11-21T23:59:59Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-28T23:59:59Z", "2026-11-29T00:00:00Z"), `
			2026-11-29T00:00:00Z: weekly from 2026-11-29
			2026-11-22T00:00:00Z: weekly from 2026-11-22
			2026-11-21T23:59:59Z: weekly from 2026-11-15`},
		{"days that begin at two", Policy{Daily: 9, Monthly: 9, Yearly: 9, DayStart: 2},
			at(t, "2026-12-31T02:00:00Z", "2027-01-01T01:59:59Z", "2027-01-01T02:00:00Z"), `
			2027-01-01T02:00:00Z: daily 2027-01-01, monthly 2027-01, yearly 2027
			2026-12-31T02:00:00Z: daily 2026-12-31, monthly 2026-12, yearly 2026`},
		{"quarters", Policy{Quarterly: 2},
			at(t, "2026-06-30T23:00:00Z", "2026-07-01T00:00:00Z", "2026-09-30T23:59:59Z", "2027-01-01T00:00:00Z"), `
			2027-01-01T00:00:00Z: quarterly 2027-Q1
			2026-07-01T00:00:00Z: quarterly 2026-Q3`},
		{"the newest stands for its bucket", Policy{Daily: 2, KeepNewest: true},
			at(t, "2026-11-20T01:00:00Z", "2026-11-21T01:00:00Z", "2026-11-21T23:00:00Z", "2026-11-22T01:00:00Z", "2026-11-22T02:00:00Z"), `
			2026-11-22T02:00:00Z: daily 2026-11-22
			2026-11-21T23:00:00Z: daily 2026-11-21`},
		{"how far back, not how many", Policy{DailyWithin: 2 * day, Last: 1}, // it is 2026-11-22T01:00
			at(t, "2026-11-18T01:00:00Z", "2026-11-20T00:30:00Z", "2026-11-20T23:00:00Z", "2026-11-22T01:00:00Z"), `
			2026-11-22T01:00:00Z: last 1 of 1, daily 2026-11-22 within 2d
			2026-11-20T00:30:00Z: daily 2026-11-20 within 2d`},
		{"count or age", Policy{Daily: 2, DailyWithin: 2 * day},
			at(t, "2026-11-17T00:00:00Z", "2026-11-18T00:00:00Z", "2026-11-22T01:00:00Z"), `
			2026-11-22T01:00:00Z: daily 2026-11-22
			2026-11-18T00:00:00Z: daily 2026-11-18`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			for _, v := range kept(Decide(c.policy, trusted(c.snaps[len(c.snaps)-1].Time), c.snaps)) {
				reasons := strings.TrimPrefix(strings.TrimPrefix(strings.Join(v.Reasons, ", "), "newest"), ", ")
				got.WriteString(v.Name + ": " + reasons + "\n")
			}
			if want := strings.TrimPrefix(strings.ReplaceAll(c.keep, "\t", ""), "\n") + "\n"; got.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

// The location in which a caller happens to hold a time decides nothing; the location of the policy does.
func TestZones(t *testing.T) {
	t.Parallel()
	snaps := at(t, "2026-11-20T22:30:00Z", "2026-11-21T08:00:00Z", "2026-11-21T23:30:00Z", "2026-11-22T08:00:00Z")
	now := trusted(snaps[3].Time)
	utc := Decide(Policy{Daily: 9}, now, snaps)
	if got, want := names(utc.Deletes()), "2026-11-21T23:30:00Z"; got != want {
		t.Errorf("UTC: deletes %s, want %s", got, want)
	}
	for _, name := range []string{"UTC", "Europe/Berlin", "Pacific/Kiritimati"} {
		moved := at(t, "2026-11-20T22:30:00Z", "2026-11-21T08:00:00Z", "2026-11-21T23:30:00Z", "2026-11-22T08:00:00Z")
		for i := range moved {
			moved[i].Time = moved[i].Time.In(zone(t, name))
		}
		for _, loc := range []*time.Location{nil, time.UTC, zone(t, "UTC")} {
			if got := show(Decide(Policy{Daily: 9, Location: loc}, trusted(now.Now.In(zone(t, name))), moved)); got != show(utc) {
				t.Errorf("times in %s, policy in %v:\n%s\nwant:\n%s", name, loc, got, show(utc))
			}
		}
	}
	berlin := Decide(Policy{Daily: 9, Location: zone(t, "Europe/Berlin")}, now, snaps)
	if got := names(berlin.Deletes()); got != "" {
		t.Errorf("Berlin: deletes %q, but the two of 22 November are the first of the day and the newest", got)
	}
}

// Where a bucket ends is told by the calendar alone, and right to the nanosecond, also where the clocks skip that hour or show
// it twice.
func TestEndOfBucket(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Africa/Cairo"} {
		for _, p := range []Policy{{}, {DayStart: 2}, {DayStart: 3, WeekStart: 6, FrequentPeriod: 5 * time.Minute}} {
			p.Location = zone(t, name)
			for _, c := range p.calendars() {
				from := time.Date(2011, 1, 1, 0, 7, 31, 5, time.UTC) // St John's changes its clocks at 00:01 this year, Apia skips a day
				for range 400 {
					m := p.moment(from)
					end := c.end(m)
					if k := c.key(m); !end.After(from) || c.key(p.moment(end.Add(-1))) != k || c.key(p.moment(end)) <= k {
						t.Fatalf("%s, day start %d: the %s bucket of %v does not end at %v", name, p.DayStart, c.name, from.In(p.Location), end.In(p.Location))
					}
					from = from.Add(23*hour + 13*time.Minute)
				}
			}
		}
	}
}
