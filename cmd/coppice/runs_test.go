package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/sdk"
)

func TestGivenState(t *testing.T) {
	for env, want := range map[string][]string{
		"/a":    {"/a", "/run/coppice"},
		"/a:/b": {"/a", "/b"},
	} {
		t.Setenv("COPPICE_STATE_DIR", env)
		if got := givenState(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", env, got, want)
		}
	}
}

func TestWhen(t *testing.T) {
	at := time.Date(2026, 3, 30, 6, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 59 * time.Minute: "59 minutes ago",
		time.Hour: "1 hour ago", 47 * time.Hour: "47 hours ago", 48 * time.Hour: "2 days ago", 400 * 24 * time.Hour: "400 days ago",
		-30 * time.Second: "0 minutes from now", -5 * time.Hour: "5 hours from now",
	} {
		text := when(at, at.Add(d))
		if want = at.Local().Format("2006-01-02 15:04") + " (" + want + ")"; text != want {
			t.Errorf("%v: %s, want %s", d, text, want)
		}
	}
}

// TestShowRunningAndInterrupted: what was planned and is not recorded as made may have been made.
func TestShowRunningAndInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("COPPICE_STATE_DIR", dir+":"+dir)
	at := time.Date(2026, 3, 30, 6, 0, 0, 0, time.UTC)
	w := journal.Open(journal.Options{Dirs: givenState(), Now: func() time.Time { return at }})
	defer w.Close()
	w.Emit(engine.RunStarted{Run: "r1", Mode: engine.ModeRun, Playbook: "p", Instant: at})
	step := engine.StepRef{ID: "take", Title: "Take \x1b[31m", Uses: "btrfs.snapshot", Section: engine.SectionSteps, Effect: "write"}
	one := sdk.Change{Kind: sdk.Create, Resource: sdk.Resource{Name: "a\nb"}, Summary: "snapshot"}
	two := sdk.Change{Kind: sdk.Delete, Resource: sdk.Resource{Name: "c"}}
	w.Emit(engine.StepStarted{Step: step})
	w.Emit(engine.StepPlanned{Step: step, Plan: engine.PlannedStep{Changes: []sdk.Change{one, two}}})
	w.Emit(engine.ChangeMade{Step: step, Change: one})
	show := func() string {
		var out, errs strings.Builder
		a := &app{out: &out, err: &errs}
		if err := a.showRun("", "r", at.Add(90*time.Second)); err != nil || errs.Len() > 0 {
			t.Fatalf("%v %s", err, errs.String())
		}
		return out.String()
	}
	lines := "  + a\\nb  snapshot\n  ? c (planned; delete not recorded)\n"
	if got := show(); !strings.Contains(got, "status     running\n") || !strings.Contains(got, "took       1m30s\n") ||
		!strings.HasSuffix(got, `step take: running: Take \x1b[31m (btrfs.snapshot)`+"\n"+lines) {
		t.Errorf("%s", got)
	}
	w.Close()
	if got := show(); !strings.Contains(got, "status     interrupted: it was killed, or cut off from power\n") ||
		!strings.HasSuffix(got, `step take: interrupted: Take \x1b[31m (btrfs.snapshot)`+"\n"+lines) {
		t.Errorf("%s", got)
	}
}

func TestListRunsLimit(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("COPPICE_STATE_DIR", dir+":"+dir)
	at := time.Date(2026, 3, 30, 6, 0, 0, 0, time.UTC)
	for i := range 25 {
		w := journal.Open(journal.Options{Dirs: givenState()})
		run := fmt.Sprintf("r%02d", i)
		w.Emit(engine.RunStarted{Run: run, Mode: engine.ModeRun, Playbook: fmt.Sprintf("p%d", i%2), Instant: at.Add(time.Duration(i) * time.Hour)})
		w.Emit(engine.RunFinished{Run: run, Mode: engine.ModeRun, Status: engine.Succeeded, Changes: engine.Totals{Run: 1}})
		w.Close()
	}
	for _, c := range []struct {
		playbook string
		limit    int
		want     int
		first    string
	}{{"", 20, 20, "r24"}, {"", 0, 25, "r24"}, {"p1", 3, 3, "r23"}, {"none", 20, 0, ""}} {
		var out strings.Builder
		a := &app{out: &out, err: &strings.Builder{}, json: true}
		if err := a.listRuns("", c.playbook, c.limit, at); err != nil {
			t.Fatal(err)
		}
		var document struct{ Runs []listedRun }
		if err := json.Unmarshal([]byte(out.String()), &document); err != nil {
			t.Fatal(err)
		}
		if n := len(document.Runs); n != c.want || n > 0 && document.Runs[0].Run != c.first {
			t.Errorf("%+v: %d runs, the first %+v", c, n, document.Runs[:min(n, 1)])
		}
	}
}
