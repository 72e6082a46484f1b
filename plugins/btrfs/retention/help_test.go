package retention

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

const hour = time.Hour

// noon is a Monday, 2026-11-23, in ISO week 48.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func trusted(now time.Time) Clock { return Clock{Now: now, Trusted: true} }

// aged makes one snapshot for each age before noon, given newest first: a is the newest and has the highest Seq.
func aged(ages ...time.Duration) []Snapshot {
	var snaps []Snapshot
	for i, age := range ages {
		name := string(rune('a' + i))
		snaps = append(snaps, Snapshot{Key: name, Name: name, Time: noon.Add(-age), Seq: uint64(1000 - i)})
	}
	return snaps
}

func every(step time.Duration, count int) []Snapshot {
	ages := make([]time.Duration, count)
	for i := range ages {
		ages[i] = time.Duration(i) * step
	}
	return aged(ages...)
}

func names(verdicts []Verdict) string {
	var all []string
	for _, v := range verdicts {
		all = append(all, v.Name)
	}
	return strings.Join(all, " ")
}

func kept(d Decision) []Verdict {
	return slices.DeleteFunc(slices.Clone(d.Verdicts), func(v Verdict) bool { return !v.Keep })
}

// show prints a decision the way the tables below write it: one line a verdict, then the warnings.
func show(d Decision) string {
	var b strings.Builder
	for _, v := range d.Verdicts {
		verb := "delete"
		if v.Keep {
			verb = "keep"
		}
		fmt.Fprintf(&b, "%s %s: %s", verb, v.Name, strings.Join(v.Reasons, ", "))
		if !v.Until.IsZero() {
			fmt.Fprintf(&b, " [until %s]", v.Until.Format("2006-01-02T15:04"))
		}
		b.WriteByte('\n')
	}
	for _, w := range d.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// at makes one snapshot for each instant in RFC 3339, oldest first, named after the instant.
func at(t *testing.T, stamps ...string) []Snapshot {
	t.Helper()
	var snaps []Snapshot
	for i, stamp := range stamps {
		when, err := time.Parse(time.RFC3339, stamp)
		if err != nil {
			t.Fatal(err)
		}
		snaps = append(snaps, Snapshot{Key: fmt.Sprint(i), Name: stamp, Time: when, Seq: uint64(i + 1)})
	}
	return snaps
}
