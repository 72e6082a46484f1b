package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/runner/calendar"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/sdk"
)

const aUUID = "ce2fdb78-d394-44f4-aff0-ca36bc956f6c"

// TestRemember: what the records of runs tell, and nothing that they do not.
func TestRemember(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("COPPICE_STATE_DIR", dir+":"+dir)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	usage := engine.StepRef{ID: "space", Uses: "btrfs.usage", Effect: string(sdk.Reads), Section: engine.SectionSteps}
	expire := engine.StepRef{ID: "expire", Uses: "btrfs.prune", Effect: string(sdk.Destroys), Section: engine.SectionSteps}
	record := func(id string, at time.Time, end *engine.RunFinished, events ...engine.Event) {
		w := journal.Open(journal.Options{Dirs: givenState(), Now: func() time.Time { return at }})
		w.Emit(engine.RunStarted{Run: id, Mode: engine.ModeRun, Playbook: "p", Instant: at, Inputs: map[string]any{}})
		for _, e := range events {
			w.Emit(e)
		}
		if end != nil {
			end.Run = id
			w.Emit(*end)
		}
		w.Close()
	}
	measured := func(outputs string) []engine.Event {
		return []engine.Event{engine.StepStarted{Step: usage},
			engine.StepFinished{StepResult: engine.StepResult{Step: usage, Status: engine.OK, Outputs: json.RawMessage(outputs)}}}
	}
	deleted := func(before string) engine.Event {
		return engine.ChangeMade{Step: expire, Change: sdk.Change{Kind: sdk.Delete, Before: json.RawMessage(before),
			Resource: sdk.Resource{Type: volume.ResourceType, Scope: aUUID, Name: "snapshots/root/x"}}}
	}
	ended := func(status engine.RunStatus, changes int, rescued int) *engine.RunFinished {
		return &engine.RunFinished{Mode: engine.ModeRun, Status: status, Changes: engine.Totals{Delete: changes}, Steps: map[engine.Status]int{engine.Rescued: rescued}, Duration: time.Second}
	}
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	const some = `{"uuid":"` + aUUID + `","size":100,"used":40,"unallocated":30,"free":60,"free_ratio":0.6}`
	record("r0", hour(-24*40), ended(engine.Succeeded, 0, 0), measured(some)...) // too old
	record("r1", hour(-9), ended(engine.Succeeded, 1, 0), append(measured(some), deleted(`{"source":"root","created":"2026-11-01T00:00:00Z"}`))...)
	record("r2", hour(-8), ended(engine.Succeeded, 0, 0), measured(`{"uuid":"11111111-d394-44f4-aff0-ca36bc956f6c","size":100}`)...) // of another filesystem
	record("r3", hour(-7), ended(engine.Succeeded, 0, 1), measured(`{"size":"?"}`)...)
	record("r4", hour(-6), ended(engine.RunFailed, 0, 0), measured(`{}`)...)
	record("r5", hour(-5), ended(engine.RunTimedOut, 0, 0), deleted(`{"source":"root"}`)) // when it was taken is not known
	record("r6", hour(-4), ended(engine.RunCancelled, 0, 0))
	record("r7", hour(-3), nil)

	for days, want := range map[int]string{
		30: "[r1 changed] [r2 unchanged] [r3 rescued] [r4 failed] [r5 timed_out] [r6 cancelled] [r7 interrupted]",
		0:  "[r0 unchanged] [r1 changed] [r2 unchanged] [r3 rescued] [r4 failed] [r5 timed_out] [r6 cancelled] [r7 interrupted]",
	} {
		r := &picture.Report{At: now, Filesystems: []picture.Filesystem{{UUID: aUUID}, {Problem: "gone"}}}
		a := &app{err: io.Discard}
		if err := a.remember(r, days); err != nil {
			t.Fatal(err)
		}
		var runs []string
		for _, run := range r.Playbooks[0].Runs {
			runs = append(runs, fmt.Sprintf("[%s %s]", run.Run, run.Outcome))
		}
		if got := strings.Join(runs, " "); got != want || len(r.Playbooks) != 1 || r.Playbooks[0].Installed {
			t.Errorf("%d days: %s of %+v, want %s", days, got, r.Playbooks, want)
		}
		f := r.Filesystems[0]
		if n := len(f.Measured); n != 1+(30-days)/30 || f.Measured[n-1] != (picture.Space{At: hour(-9), Run: "r1", Size: 100, Used: 40, Unallocated: 30, Free: 60, FreeRatio: 0.6}) {
			t.Errorf("%d days: measured %+v", days, f.Measured)
		}
		if len(f.Sources) != 1 || len(f.Sources[0].Deleted) != 1 || !f.Sources[0].Deleted[0].Taken.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%d days: sources %+v", days, f.Sources)
		}
	}
}

// TestUnmet: a run is missed when none began until the next time, not when it is late.
func TestUnmet(t *testing.T) {
	c, err := calendar.Parse("*-*-* 00/6:00:00", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		when, err := time.Parse("2 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2026, 11, when.Day(), when.Hour(), when.Minute(), 0, 0, time.UTC)
	}
	for _, test := range []struct{ runs, now, want string }{
		{"20 00:02, 20 06:04, 20 12:00, 20 18:05", "20 23:00", ""},
		{"20 00:02, 20 17:59, 20 18:05", "20 23:00", "20 06:00"},             // the one of 12:00 was very late
		{"20 00:02", "21 01:00", "20 06:00, 20 12:00, 20 18:00"},             // that of midnight may be on its way
		{"20 00:02", "20 06:30", ""},                                         // as is this one
		{"20 00:02, 20 05:59, 20 12:01, 20 18:01, 21 00:01", "21 03:00", ""}, // a clock that was set
	} {
		var runs []picture.Run
		for _, text := range strings.Split(test.runs, ", ") {
			runs = append(runs, picture.Run{Started: at(text)})
		}
		var got []string
		for _, m := range unmet(c, runs, runs[0].Started, at(test.now), 65*time.Minute) {
			got = append(got, m.Format("2 15:04"))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s at %s: missed %q, want %q", test.runs, test.now, got, test.want)
		}
	}
}

func TestPoorTerminal(t *testing.T) {
	for env, want := range map[string]bool{
		"": false, "TERM=linux": true, "LANG=C": true, "LANG=en_US.UTF-8": false, "LANG=de_DE.utf8": false, "LANG=C LC_ALL=C.UTF-8": false,
		"LANG=C.UTF-8 LC_CTYPE=POSIX": true, "TERM=xterm": false,
	} {
		got := poorTerminal(func(name string) string {
			for _, set := range strings.Fields(env) {
				if value, ok := strings.CutPrefix(set, name+"="); ok {
					return value
				}
			}
			return ""
		})
		if got != want {
			t.Errorf("%q: %v", env, got)
		}
	}
}
