package calendar

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has the zones

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// elapses lists the next n instants after a base.
func elapses(t *testing.T, c *Calendar, base time.Time, n int) []time.Time {
	t.Helper()
	var all []time.Time
	for range n {
		next, ok := c.Next(base)
		if !ok {
			break
		}
		if !next.After(base) {
			t.Fatalf("%v does not come after %v", next, base)
		}
		all = append(all, next)
		base = next
	}
	return all
}

func TestNext(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 11, 25, 20, 0, 0, 500, time.UTC) // a Wednesday
	for _, c := range []struct{ text, want string }{
		{"*-*-* 00/6:00:00", "11-26T00:00:00 11-26T06:00:00 11-26T12:00:00"},
		{"minutely", "11-25T20:01:00 11-25T20:02:00 11-25T20:03:00"},
		{"hourly", "11-25T21:00:00 11-25T22:00:00 11-25T23:00:00"},
		{"daily", "11-26T00:00:00 11-27T00:00:00 11-28T00:00:00"},
		{"weekly", "11-30T00:00:00 12-07T00:00:00 12-14T00:00:00"},
		{"monthly", "12-01T00:00:00 01-01T00:00:00 02-01T00:00:00"},
		{"quarterly", "01-01T00:00:00 04-01T00:00:00 07-01T00:00:00"},
		{"semi-annually", "01-01T00:00:00 07-01T00:00:00 01-01T00:00:00"},
		{"Mon..Fri 03:30", "11-26T03:30:00 11-27T03:30:00 11-30T03:30:00"},
		{"sat,Sunday *:15:30", "11-28T00:15:30 11-28T01:15:30 11-28T02:15:30"},
		{"Mon *-*-1..7 04:00 UTC", "12-07T04:00:00 01-04T04:00:00 02-01T04:00:00"},
		{"02-29", "02-29T00:00:00 02-29T00:00:00 02-29T00:00:00"},
		{"20:00:00/20", "11-25T20:00:20 11-25T20:00:40 11-26T20:00:00"},
		{"10..20/5:00", "11-26T10:00:00 11-26T15:00:00 11-26T20:00:00"},
		{"*-*-31 */12:00", "12-31T00:00:00 12-31T12:00:00 01-31T00:00:00"},
		{"2027-1-1", "01-01T00:00:00"},
		{"daily Europe/Berlin", "11-25T23:00:00 11-26T23:00:00 11-27T23:00:00"},
		{"2020-01-01", ""},
	} {
		parsed, err := Parse(c.text, time.UTC)
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, at := range elapses(t, parsed, base, 3) {
			got = append(got, at.UTC().Format("01-02T15:04:05"))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.text, s, c.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "empty",
		"sometimes":       "no day of the week",
		"*-*~1":           "not understood",
		"*-*-~1":          "not understood",
		"*-*-* 25:00":     "25 is not from 0 to 23",
		"*-13-*":          "13 is not from 1 to 12",
		"12:00:00.5":      "not understood",
		"Fri..Mon 3:00":   "ends before it begins",
		"*:30..10":        "ends before it begins",
		"*:0/0":           "0 is not from 1 to 59",
		"daily 4:00":      "no day of the week",
		"1:2:3:4":         "no time",
		"*-*-* 1:00 Moon": "not understood",
		"*-*-* 1:00 a/b":  "not understood",
		"+1:00":           "not understood",
		"OnBootSec=5min":  "no day of the week",
	} {
		if _, err := Parse(text, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestAsSystemd holds all of it against systemd itself, across both changes of the clocks.
func TestAsSystemd(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		need.Missing(t, "systemd", "systemd-analyze is missing: Debian's systemd has it")
	}
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"} {
		location := zone(t, name)
		for _, base := range []string{"2026-03-28 21:00:00", "2026-10-24 21:00:00", "2026-03-07 21:00:00", "2026-10-31 21:00:00", "2028-02-28 12:34:56"} {
			from, err := time.ParseInLocation(time.DateTime, base, location)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"*-*-* 00/6:00:00", "hourly", "daily", "weekly", "monthly", "*-*-* 02:30", "Mon..Fri 03:30", "Sun *:0/20",
				"*-*-1..7 04:00 UTC", "*-02-29", "*-*-* *:59:59"} {
				parsed, err := Parse(text, location)
				if err != nil {
					t.Fatal(err)
				}
				command := exec.Command(program, "calendar", "--iterations=9", "--base-time=@"+fmt.Sprint(from.Unix()), text)
				command.Env = append(os.Environ(), "TZ="+name, "LC_ALL=C")
				out, err := command.CombinedOutput()
				if err != nil {
					if strings.Contains(string(out), "base-time") {
						need.Missing(t, "systemd", "this systemd-analyze knows no --base-time")
					}
					t.Fatalf("%s: %v\n%s", text, err, out)
				}
				var want []time.Time
				for line := range strings.Lines(string(out)) {
					head, rest, ok := strings.Cut(line, ": ")
					if head = strings.TrimSpace(head); !ok || head != "Next elapse" && !strings.HasPrefix(head, "Iter. #") && !strings.HasPrefix(head, "Iteration #") {
						continue
					}
					words := strings.Fields(rest) // Sun 2026-03-29 00:00:00 CET
					if len(words) != 4 {
						continue
					}
					at, err := time.ParseInLocation(time.DateTime, words[1]+" "+words[2], location)
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, at)
				}
				got := elapses(t, parsed, from, len(want))
				for i := range want {
					if got[i].In(location).Format(time.DateTime) != want[i].Format(time.DateTime) {
						t.Errorf("%s in %s after %s: %v, systemd says %v", text, name, base, got[i], want[i])
						break
					}
				}
				if len(want) == 0 {
					t.Errorf("%s: systemd says nothing:\n%s", text, out)
				}
			}
		}
	}
}
