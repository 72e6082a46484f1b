package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

var instant = time.Date(2026, 3, 30, 6, 0, 0, 0, time.UTC)

// clock steps by a second with each look.
func clock() func() time.Time {
	now := instant
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// record writes a record of these events.
func record(t *testing.T, o Options, events ...engine.Event) (*Recorder, *[]string) {
	t.Helper()
	told := &[]string{}
	o.Warn = func(text string) { *told = append(*told, text) }
	if o.Now == nil {
		o.Now = clock()
	}
	r := Open(o)
	t.Cleanup(r.Close)
	for _, e := range events {
		r.Emit(e)
	}
	return r, told
}

func started(run, playbook string, at time.Time) engine.RunStarted {
	return engine.RunStarted{Run: run, Mode: engine.ModeRun, Playbook: playbook, File: "/etc/coppice/playbooks/x.yaml",
		Description: "Snapshot, then expire.", Instant: at, Steps: 2, Defaulted: []string{"scope"},
		Inputs: map[string]any{"scope": json.RawMessage(`"all"`), "count": json.RawMessage(`9007199254740993`), "hook": "••••"}}
}

func ended(run string, status engine.RunStatus) engine.RunFinished {
	return engine.RunFinished{Run: run, Mode: engine.ModeRun, Status: status, Changes: engine.Totals{Create: 2},
		Steps: map[engine.Status]int{engine.Changed: 1, engine.OK: 1}, Duration: 730 * time.Millisecond}
}

func ref(id, effect string) engine.StepRef {
	return engine.StepRef{ID: id, Title: "Do " + id, Uses: "btrfs." + id, Section: engine.SectionSteps, Effect: effect}
}

func item(id string, n int) engine.StepRef {
	r := ref(id, "write")
	r.Item, r.Label = &n, fmt.Sprintf("#%d", n+1)
	return r
}

func change(name string) sdk.Change {
	return sdk.Change{Kind: sdk.Create, Resource: sdk.Resource{Type: "btrfs.subvolume", Scope: "f00", Name: name},
		Summary: "read-only snapshot", Reason: "asked for", After: json.RawMessage(`{"read_only":true}`)}
}

// scenario is a run with all that a record keeps.
func scenario(run string) []engine.Event {
	usage, take := ref("usage", "read"), ref("take", "write")
	return []engine.Event{
		engine.StepLog{Plugin: "btrfs", Level: "error", Message: "before the run"},
		started(run, "snapshot-rotation", instant),
		engine.StepStarted{Step: usage},
		engine.StepPlanned{Step: usage},
		engine.StepFinished{StepResult: engine.StepResult{Step: usage, Status: engine.OK, Summary: "904 MiB free",
			Outputs: json.RawMessage(`{"free":9007199254740993}`), Duration: time.Millisecond}},
		engine.StepStarted{Step: take},
		engine.StepPlanned{Step: take, Plan: engine.PlannedStep{Changes: []sdk.Change{change("a"), change("b\n\xff")},
			Kept: []sdk.Kept{{Reason: "young"}}}},
		engine.StepProgress{Step: take, Current: 1, Total: 2},
		engine.ChangeMade{Step: take, Change: change("a")},
		engine.StepLog{Step: take, Plugin: "btrfs", Level: "warn", Message: "slow\n"},
		engine.StepLog{Step: take, Plugin: "btrfs", Level: "info", Message: "chatter"},
		engine.ChangeMade{Step: take, Change: change("b\n\xff")},
		engine.StepFinished{StepResult: engine.StepResult{Step: take, Status: engine.Changed,
			Planned:  engine.PlannedStep{Changes: []sdk.Change{change("a"), change("b\n\xff")}},
			Made:     []sdk.Change{change("a"), change("b\n\xff")},
			Outputs:  json.RawMessage(`{"snapshots":[{"path":"a"}]}`),
			Duration: 120 * time.Millisecond, Diagnostics: []sdk.Diagnostic{sdk.Warning("it was slow")}}},
		engine.StepFinished{StepResult: engine.StepResult{Step: engine.StepRef{ID: "tell", Section: engine.SectionOnFailure},
			Status: engine.Unreached, Why: "the run did not fail"}},
		ended(run, engine.Succeeded),
		engine.StepLog{Plugin: "btrfs", Level: "error", Message: "after the run"},
	}
}

func read(t *testing.T, dir, run string) *Record {
	t.Helper()
	r, err := Read([]string{dir}, run)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// file is a record's file.
func file(dir, run string) string { return filepath.Join(dir, "runs", run+".jsonl") }

// resuming makes a run one that goes on from another.
func resuming(events []engine.Event) []engine.Event {
	for i, e := range events {
		if start, ok := e.(engine.RunStarted); ok {
			start.Resumes, start.Origin = "r1a", "r0"
			events[i] = start
		}
	}
	return events
}

// well are the steps that ended well.
func well(r *Record) map[string]engine.PastStep {
	done := map[string]engine.PastStep{}
	for id, s := range r.Past("").Steps {
		switch s.Status {
		case engine.OK, engine.Changed, engine.Skipped, engine.Rescued:
			done[id] = s
		}
	}
	return done
}

func TestPast(t *testing.T) {
	dir := t.TempDir()
	w, _ := record(t, Options{Dirs: []string{dir}}, resuming(scenario("r1"))...)
	w.Close()
	r := read(t, dir, "r1")
	p := r.Past(BootID())
	if p.Run != "r1" || p.Origin != "r0" || p.Rebooted || p.Steps["take"].Made != 2 {
		t.Errorf("%+v", p)
	}
	r.Origin = ""
	if p := r.Past("another"); p.Origin != "r1" || !p.Rebooted {
		t.Errorf("%+v", p)
	}
}

// A run that goes on from another and was killed early tells little: the rest is told by those before it.
func TestPastOfSeveralRuns(t *testing.T) {
	step := func(id string, status engine.Status, made int) *Step {
		return &Step{Step: ref(id, "write"), Made: make([]sdk.Change, made), Result: &engine.StepResult{Status: status}}
	}
	items := func(status ...engine.Status) (all []*Step) {
		for n, s := range status {
			all = append(all, &Step{Step: item("each", n), Result: &engine.StepResult{Status: s}})
		}
		return all
	}
	first := &Record{Summary: Summary{Header: Header{Run: "r1", BootID: "before"}},
		Steps: append(items(engine.Changed, engine.Changed, engine.Failed), step("a", engine.Changed, 1), step("b", engine.Changed, 2),
			step("c", engine.Changed, 3), step("d", engine.Failed, 1), step("last", engine.Changed, 1))}
	second := &Record{Summary: Summary{Header: Header{Run: "r2", Origin: "r1", Resumes: "r1", BootID: "now"}},
		Steps: append(items(engine.OK, engine.Unreached), step("a", engine.Changed, 0), &Step{Step: ref("b", "write")},
			step("c", engine.Unreached, 0), step("d", engine.Unreached, 0))}
	p := second.Past("now", first)
	for id, want := range map[string]engine.PastStep{
		"a":    {Status: engine.Changed, Made: 1},
		"b":    {Made: 2}, // begun again, and not finished
		"c":    {Status: engine.Changed, Made: 3},
		"d":    {Status: engine.Failed, Made: 1},
		"last": {Status: engine.Changed, Made: 1},
	} {
		if got := p.Steps[id]; got.Status != want.Status || got.Made != want.Made {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	each := p.Items["each"]
	if each[0].Status != engine.OK || each[1].Status != engine.Changed || each[2].Status != engine.Failed {
		t.Errorf("items: %+v", each)
	}
	if p.Run != "r2" || p.Origin != "r1" || !p.Rebooted {
		t.Errorf("%+v", p)
	}
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	w, told := record(t, Options{Dirs: []string{dir}, SHA256: "abc", Coppice: "1.2.3", Inputs: check.Saved{Salt: "c2FsdA==", Secrets: map[string]string{"hook": "c2VhbA=="}}}, resuming(scenario("r1"))...)
	if w.Dir() != dir || len(*told) > 0 || w.Err() != nil {
		t.Errorf("in %q, told %q, %v", w.Dir(), *told, w.Err())
	}
	w.Close()
	w.Close()

	r := read(t, dir, "r1")
	if len(r.Problems) > 0 {
		t.Errorf("problems: %q", r.Problems)
	}
	h := r.Header
	if h.Run != "r1" || h.Version != 1 || h.Mode != engine.ModeRun || h.Playbook != "snapshot-rotation" || h.SHA256 != "abc" ||
		h.Coppice != "1.2.3" || h.Resumes != "r1a" || h.Origin != "r0" || h.Salt != "c2FsdA==" || h.Secrets["hook"] != "c2VhbA==" || h.PID != os.Getpid() || h.BootID == "" || h.Host == "" || !h.Instant.Equal(instant) {
		t.Errorf("header %+v", h)
	}
	if string(h.Inputs["count"]) != "9007199254740993" || string(h.Inputs["hook"]) != `"••••"` {
		t.Errorf("inputs %s", h.Inputs)
	}
	if r.Status != engine.Succeeded || r.Changes.Create != 2 || r.Took != 730*time.Millisecond || r.Description == "" {
		t.Errorf("summary %+v", r.Summary)
	}
	if !r.Started.Equal(instant.Add(time.Second)) || !r.Last.After(r.Started) {
		t.Errorf("from %v to %v", r.Started, r.Last)
	}
	if len(r.Steps) != 3 || r.Steps[0].Step.ID != "usage" || r.Steps[1].Step.ID != "take" || r.Steps[2].Step.ID != "tell" {
		t.Fatalf("steps %+v", r.Steps)
	}
	take := r.Steps[1]
	if len(take.Planned) != 2 || len(take.Made) != 2 || take.Made[1].Resource.Name != "b\n\ufffd" ||
		!reflect.DeepEqual(take.Made[0], change("a")) {
		t.Errorf("planned %+v\nmade %+v", take.Planned, take.Made)
	}
	if take.Result.Status != engine.Changed || len(take.Result.Diagnostics) != 1 || take.Result.Duration != 120*time.Millisecond || take.Cut != nil {
		t.Errorf("result %+v", take.Result)
	}
	if len(r.Logs) != 1 || r.Logs[0].Message != "slow" || r.Logs[0].Step.ID != "take" {
		t.Errorf("logs %+v", r.Logs)
	}
	done := well(r)
	if len(done) != 2 || string(done["usage"].Outputs) != `{"free":9007199254740993}` || done["take"].Status != engine.Changed {
		t.Errorf("finished %+v", done)
	}

	list, err := List([]string{dir})
	if err != nil || len(list.Runs) != 1 || len(list.Ignored) > 0 {
		t.Fatalf("list %+v, %v", list, err)
	}
	if !reflect.DeepEqual(list.Runs[0], r.Summary) {
		t.Errorf("listed\n%+v\nread\n%+v", list.Runs[0], r.Summary)
	}
	for path, want := range map[string]os.FileMode{file(dir, "r1"): 0o600, filepath.Dir(file(dir, "r1")): 0o700, dir: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// TestLinesAreJSON holds the form that other programs may rely on.
func TestLinesAreJSON(t *testing.T) {
	dir := t.TempDir()
	w, _ := record(t, Options{Dirs: []string{dir}}, scenario("r1")...)
	w.Close()
	data, err := os.ReadFile(file(dir, "r1"))
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for line := range strings.Lines(string(data)) {
		var h head
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		types = append(types, h.Type)
		if h.Seq != len(types) || !strings.HasSuffix(line, "\"}\n") {
			t.Errorf("line %d: %s", len(types), line)
		}
	}
	want := "header run_started step_started step_finished step_started step_planned change_made step_log change_made step_finished step_finished run_finished"
	if got := strings.Join(types, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !strings.HasPrefix(string(data), `{"format":"coppice.run","version":1,"seq":1,"time":"2026-03-30T06:00:01Z","type":"header","run":"r1",`) {
		t.Errorf("starts with %.200s", data)
	}
	if strings.Count(string(data), `"hook"`) != 1 || strings.Contains(string(data), "chatter") {
		t.Errorf("inputs twice, or chatter:\n%s", data)
	}
	var out strings.Builder
	if err := Copy(&out, file(dir, "r1")); err != nil || out.String() != string(data) {
		t.Errorf("a copy is another thing: %v", err)
	}
}

func TestPreviewLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	start := started("r1", "p", instant)
	start.Mode = engine.ModePreview
	_, told := record(t, Options{Dirs: []string{dir}}, start, engine.StepStarted{Step: ref("a", "read")}, ended("r1", engine.Succeeded))
	if names, _ := namesIn(dir); len(names) > 0 || len(*told) > 0 {
		t.Errorf("%q, told %q", names, *told)
	}
}

func TestIDsThatAreNoNames(t *testing.T) {
	for _, id := range []string{"", "../x", "a/b", ".x", "-x", "a b", "a\x00b", strings.Repeat("x", 200)} {
		dir := t.TempDir()
		_, told := record(t, Options{Dirs: []string{dir}}, started(id, "p", instant), ended(id, engine.Succeeded))
		if names, _ := namesIn(dir); len(names) > 0 || len(*told) != 1 {
			t.Errorf("%q: %q, told %q", id, names, *told)
		}
	}
}

func TestTwoWritersOfOneRun(t *testing.T) {
	dir := t.TempDir()
	_, told1 := record(t, Options{Dirs: []string{dir, t.TempDir()}}, started("r1", "first", instant))
	_, told2 := record(t, Options{Dirs: []string{dir, t.TempDir()}}, started("r1", "second", instant), ended("r1", engine.Succeeded))
	if len(*told1) > 0 || len(*told2) != 1 || !strings.Contains((*told2)[0], "already a record") {
		t.Errorf("told %q and %q", *told1, *told2)
	}
	if r := read(t, dir, "r1"); r.Playbook != "first" || r.Status != Running {
		t.Errorf("%s %s", r.Playbook, r.Status)
	}
}

func TestCutAndMasked(t *testing.T) {
	dir := t.TempDir()
	secret := "hunter2"
	big := ref("big", "write")
	events := []engine.Event{started("r1", "p", instant)}
	events = append(events,
		engine.StepFinished{StepResult: engine.StepResult{Step: big, Status: engine.OK,
			Outputs: json.RawMessage(`"` + strings.Repeat("x", maxOutputs) + `"`)}},
		engine.StepFinished{StepResult: engine.StepResult{Step: ref("bad", "write"), Status: engine.OK, Outputs: json.RawMessage(`{`)}},
		engine.StepFinished{StepResult: engine.StepResult{Step: ref("leak", "write"), Status: engine.Changed,
			Summary: "sent to hunter2", Outputs: json.RawMessage(`{"status":"hunter\u0032","n":1}`)}},
		engine.StepFinished{StepResult: engine.StepResult{Step: ref("loud", "write"), Status: engine.Failed,
			Diagnostics: []sdk.Diagnostic{{Severity: "error", Summary: strings.Repeat("\x01", 5<<20)}, sdk.Warning("hunter2")}}},
		engine.StepPlanned{Step: ref("many", "write"), Plan: engine.PlannedStep{Changes: make([]sdk.Change, 50_000)}},
		engine.ChangeMade{Step: ref("many", "write"), Change: sdk.Change{Kind: sdk.Delete, Before: json.RawMessage(`"` + strings.Repeat("y", 6<<20) + `"`)}},
	)
	for range 3000 {
		events = append(events, engine.StepLog{Plugin: "p", Level: "error", Message: strings.Repeat("hunter2 ", 20)})
	}
	w, told := record(t, Options{Dirs: []string{dir}, Secrets: []string{secret, "changed", "leak", "p", "run", "2026"}},
		append(events, ended("r1", engine.RunFailed))...)
	w.Close()
	if len(*told) > 0 {
		t.Errorf("told %q", *told)
	}
	data, _ := os.ReadFile(file(dir, "r1"))
	if strings.Contains(string(data), secret) {
		t.Errorf("the secret is in it")
	}
	r := read(t, dir, "r1")
	if len(r.Problems) > 0 || r.Status != engine.RunFailed {
		t.Errorf("%s, problems %q", r.Status, r.Problems)
	}
	done := well(r)
	if d := done["big"]; d.Lost == "" || d.Outputs != nil {
		t.Errorf("big: %+v", d)
	}
	if d := done["bad"]; d.Lost == "" {
		t.Errorf("bad: %+v", d)
	}
	if d := done["leak"]; d.Lost == "" || d.Status != engine.Changed {
		t.Errorf("leak: %+v", d)
	}
	for _, s := range r.Steps {
		switch s.Step.ID {
		case "loud":
			if n := len(s.Result.Diagnostics[0].Summary); n > maxText || s.Result.Diagnostics[1].Summary != "••••" {
				t.Errorf("loud: %d bytes, %q", n, s.Result.Diagnostics[1].Summary)
			}
		case "many":
			if len(s.Planned)+s.Cut["changes"] != 50_000 || len(s.Made) != 1 || s.Made[0].Before != nil {
				t.Errorf("many: %d planned, cut %v", len(s.Planned), s.Cut)
			}
		}
	}
	if n := len(r.Logs); n > maxLogLines+1 || n < 100 || !strings.Contains(r.Logs[n-1].Message, "not recorded") {
		t.Errorf("%d lines, the last %q", n, r.Logs[n-1].Message)
	}
}

// StepMended is an event of later: one by what it embeds.
type StepMended struct {
	engine.StepStarted
	Attempt int `json:"attempt"`
}

func TestEventsOfLater(t *testing.T) {
	dir := t.TempDir()
	w, _ := record(t, Options{Dirs: []string{dir}}, started("r1", "p", instant),
		StepMended{engine.StepStarted{Step: ref("a", "write")}, 2}, ended("r1", engine.Succeeded))
	w.Close()
	r := read(t, dir, "r1")
	if len(r.Other) != 1 || r.Other[0].Type != "step_mended" || r.Other[0].Step.ID != "a" || !strings.Contains(string(r.Other[0].Text), `"attempt":2`) {
		t.Errorf("%+v", r.Other)
	}
}

func TestItems(t *testing.T) {
	dir := t.TempDir()
	done := func(s engine.StepRef, status engine.Status) engine.Event {
		return engine.StepFinished{StepResult: engine.StepResult{Step: s, Status: status, Outputs: json.RawMessage(`{"n":1}`)}}
	}
	w, _ := record(t, Options{Dirs: []string{dir}}, started("r1", "p", instant),
		engine.StepStarted{Step: item("a", 1)}, engine.StepStarted{Step: item("a", 0)}, engine.StepStarted{Step: ref("b", "write")},
		done(item("a", 1), engine.OK), engine.StepStarted{Step: item("a", 2)}, done(item("a", 0), engine.Failed), done(ref("b", "write"), engine.Changed))
	w.Close()
	r := read(t, dir, "r1")
	var order []string
	for _, s := range r.Steps {
		order = append(order, s.Step.ID+s.Step.Label)
	}
	if got := strings.Join(order, " "); got != "a#1 a#2 a#3 b" {
		t.Errorf("order %s", got)
	}
	if all := well(r); len(all) != 1 || all["b"].Status != engine.Changed {
		t.Errorf("finished %+v", all)
	}
	items := r.Past("").Items
	if a := items["a"]; len(items) != 1 || a[1].Status != engine.OK || a[1].Label != "#2" || a[0].Status != engine.Failed || a[2].Status != "" {
		t.Errorf("items %+v", items)
	}
	if r.Status != Interrupted {
		t.Errorf("status %s", r.Status)
	}
}

func TestRetriedStepCountsByItsLastAttempt(t *testing.T) {
	dir := t.TempDir()
	a := ref("a", "write")
	w, _ := record(t, Options{Dirs: []string{dir}}, started("r1", "p", instant), engine.StepStarted{Step: a},
		engine.StepFinished{StepResult: engine.StepResult{Step: a, Status: engine.OK}}, engine.StepStarted{Step: a})
	w.Close()
	if all := well(read(t, dir, "r1")); len(all) > 0 {
		t.Errorf("finished %+v", all)
	}
}

func TestBlockAndRetries(t *testing.T) {
	dir := t.TempDir()
	block := engine.StepRef{ID: "guarded", Title: "guarded", Section: engine.SectionSteps}
	a := ref("a", "write")
	a.Depth = 1
	w, told := record(t, Options{Dirs: []string{dir}}, started("r1", "p", instant),
		engine.StepStarted{Step: block}, engine.StepStarted{Step: a},
		engine.StepPlanned{Step: a, Plan: engine.PlannedStep{Changes: []sdk.Change{change("x"), change("y")}}},
		engine.ChangeMade{Step: a, Change: change("x")},
		engine.StepRetrying{Step: a, Attempt: 2, Attempts: 3, Wait: time.Second, Reason: "busy"},
		engine.StepPlanned{Step: a, Plan: engine.PlannedStep{Changes: []sdk.Change{change("y")}}},
		engine.ChangeMade{Step: a, Change: change("y")},
		engine.StepFinished{StepResult: engine.StepResult{Step: a, Status: engine.Failed, Attempts: 2,
			Fingerprint: json.RawMessage(`{"members":[]}`)}},
		engine.StepFinished{StepResult: engine.StepResult{Step: block, Status: engine.Rescued, Why: "step a: busy"}})
	w.Close()
	r := read(t, dir, "r1")
	if len(*told) > 0 || len(r.Problems) > 0 || len(r.Steps) != 2 || r.Steps[0].Step.ID != "guarded" {
		t.Fatalf("told %q, %q, %+v", *told, r.Problems, r.Steps)
	}
	s := r.Steps[1]
	if len(s.Retries) != 1 || s.Retries[0].Reason != "busy" || len(s.Made) != 2 || len(s.Planned) != 1 || s.Result.Attempts != 2 ||
		s.Step.Depth != 1 || s.Result.Fingerprint != nil {
		t.Errorf("%+v", s)
	}
	if done := well(r); len(done) != 1 || done["guarded"].Status != engine.Rescued {
		t.Errorf("%+v", done)
	}
}

func TestFind(t *testing.T) {
	dir, second := t.TempDir(), t.TempDir()
	for _, run := range []string{"20260330T060000Z-7f3a11", "20260330T120000Z-aabbcc", "20260331T060000Z-0d0d0d"} {
		w, _ := record(t, Options{Dirs: []string{dir}}, scenario(run)...)
		w.Close()
	}
	w, _ := record(t, Options{Dirs: []string{second}}, scenario("20260101T000000Z-000000")...)
	w.Close()
	dirs := []string{dir, filepath.Join(dir, "none"), second}
	for arg, want := range map[string]string{
		"20260330T060000Z-7f3a11": "20260330T060000Z-7f3a11", "20260331": "20260331T060000Z-0d0d0d", "202601": "20260101T000000Z-000000",
	} {
		r, err := Read(dirs, arg)
		if err != nil || r.Run != want {
			t.Errorf("%s: %v, %v", arg, r, err)
		}
	}
	for arg, want := range map[string]string{
		"7f3a":                    "20260330T060000Z-7f3a11",
		"20260330T060000Z-7f3a12": "20260330T060000Z-7f3a11",
		"20260330":                "20260330T120000Z-aabbcc",
		"":                        "20260331T060000Z-0d0d0d",
		"../runs/x":               "20260331T060000Z-0d0d0d",
	} {
		_, err := Read(dirs, arg)
		var unknown *UnknownRunError
		if !errors.As(err, &unknown) || len(unknown.Near) == 0 || unknown.Near[0] != want || unknown.Several != (arg == "20260330") {
			t.Errorf("%q: %v %+v", arg, err, unknown)
		}
	}
}
