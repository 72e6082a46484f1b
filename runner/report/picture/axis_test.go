package picture_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has the zones

	"github.com/hbohlen/coppice/runner/report/picture"
)

// TestAxis: days are those of the place, also when summer time ends, and nothing is lost between columns.
func TestAxis(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 2, 23, 30, 0, 0, time.UTC) // the third already
	r := &picture.Report{At: now, Since: picture.FirstDay(now.In(berlin), 30)}
	a := r.Axis(berlin)
	if a.Days != 30 || a.Start.Format(time.RFC3339) != "2026-10-05T00:00:00+02:00" || a.End.Format(time.RFC3339) != "2026-11-04T00:00:00+01:00" {
		t.Errorf("%d days from %s to %s", a.Days, a.Start, a.End)
	}
	for most, want := range map[int]int{100: 30, 30: 30, 29: 15, 10: 10, 7: 6, 1: 1} {
		columns := a.Columns(most)
		if len(columns) != want {
			t.Errorf("%d columns, at most %d", len(columns), most)
		}
		for i := 1; i < len(columns); i++ {
			if !columns[i].Start.Equal(columns[i-1].End) {
				t.Errorf("a gap before %s", columns[i].Start)
			}
		}
		if columns[0].Start.After(a.Start) || !columns[len(columns)-1].End.Equal(a.End) {
			t.Errorf("%d columns do not cover the axis", most)
		}
	}
}

func TestTicks(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		days, most int
		want       string
	}{
		{1, 6, "26 Nov"},
		{5, 6, "22 Nov, 23 Nov, 24 Nov, 25 Nov, 26 Nov"},
		{10, 6, "18 Nov, 20 Nov, 22 Nov, 24 Nov, 26 Nov"},
		{30, 6, "2 Nov, 9 Nov, 16 Nov, 23 Nov"},
		{60, 6, "5 Oct, 19 Oct, 2 Nov, 16 Nov"},
		{180, 6, "Jun 2026, Jul 2026, Aug 2026, Sep 2026, Oct 2026, Nov 2026"},
		{800, 6, "Jan 2025, May 2025, Sep 2025, Jan 2026, May 2026, Sep 2026"},
		{30, 1, "Nov 2026"},
	} {
		r := &picture.Report{At: now, Since: picture.FirstDay(now, c.days)}
		var all []string
		for _, tick := range r.Axis(time.UTC).Ticks(c.most) {
			all = append(all, tick.Label)
		}
		if got := strings.Join(all, ", "); got != c.want {
			t.Errorf("%d days, at most %d: %s", c.days, c.most, got)
		}
	}
}

func TestTally(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	hours := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	p := picture.Playbook{Runs: []picture.Run{
		{Started: hours(-30), Outcome: picture.Changed, Took: time.Second},
		{Started: hours(-6), Outcome: picture.Failed, Took: 2 * time.Second},
		{Started: hours(-1), Outcome: picture.Interrupted, Took: time.Hour},
	}, Missed: []time.Time{hours(-18), hours(-4)}}
	r := &picture.Report{At: now, Since: picture.FirstDay(now, 2)}
	columns := p.Columns(r.Axis(time.UTC).Columns(10))
	if got, want := fmt.Sprint(columns[0].All, columns[1].All), "[changed missed] [failed missed interrupted]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("%v %s %s", p.Tally(), columns[0].Tally().Worst(), columns[1].Tally().Worst()), "[{changed 1} {failed 1} {interrupted 1} {missed 2}] missed failed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// A run that was cut off tells nothing of how long it takes.
	if got := p.Took(); got != (picture.Took{Runs: 2, Median: 2 * time.Second, Longest: 2 * time.Second, Scale: 2 * time.Second}) {
		t.Errorf("%+v", got)
	}
}

// TestTookScale: one run of many hours does not make all others flat.
func TestTookScale(t *testing.T) {
	var p picture.Playbook
	for range 20 {
		p.Runs = append(p.Runs, picture.Run{Outcome: picture.Changed, Took: time.Second})
	}
	p.Runs = append(p.Runs, picture.Run{Outcome: picture.Changed, Took: time.Hour})
	if got := p.Took(); got.Scale != 2*time.Second || got.Longest != time.Hour {
		t.Errorf("%+v", got)
	}
	if got := (picture.Playbook{Runs: []picture.Run{{Outcome: picture.Failed}}}).Took(); got.Scale <= 0 {
		t.Errorf("%+v", got)
	}
}
