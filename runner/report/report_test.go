package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

var forms = map[string]func(Options) Reporter{
	"live": still, "lines": NewLines, "events": NewEvents, "plan": NewPlan, "document": NewPlanJSON,
}

func allScenarios() []scenario { return append(runScenarios(), planScenarios()...) }

// On a terminal no line is wider than it, whatever is told and however narrow it is.
func TestNoLineIsTooWide(t *testing.T) {
	eagerly := func(o Options) Reporter { return eager{newLive(o, 0)} }
	for name, make := range map[string]func(Options) Reporter{"live": eagerly, "plan": NewPlan} {
		for _, s := range allScenarios() {
			for _, verbose := range []bool{false, true} {
				for width := minWidth; width < 130; width += 7 {
					out, _ := play(t, s, Options{Width: width, Verbose: verbose}, make)
					out = strings.ReplaceAll(out, "\x1b[K", "")
					for l := range strings.FieldsFuncSeq(out, func(r rune) bool { return r == '\n' || r == '\r' }) {
						if w := textWidth(l); w > width {
							t.Fatalf("%s of %s at %d: a line of %d: %q", name, s.name, width, w, l)
						}
					}
				}
			}
		}
	}
}

// No form passes on a control character or direction mark, and all are UTF-8.
func TestNothingHostileComesThrough(t *testing.T) {
	for name, make := range forms {
		for _, s := range allScenarios() {
			for _, verbose := range []bool{false, true} {
				out, errOut := play(t, s, Options{Verbose: verbose, Width: 100}, make)
				text := out + errOut
				if !utf8.ValidString(text) {
					t.Errorf("%s of %s is not UTF-8", name, s.name)
				}
				if name == "live" {
					text = strings.ReplaceAll(text, clearLine, "")
				}
				if i := strings.IndexAny(text, "\x1b\r\t\x00\x7f\a\u009b\u202e\u2066"); i >= 0 {
					t.Errorf("%s of %s: %q", name, s.name, text[max(0, i-20):min(len(text), i+20)])
				}
			}
		}
	}
}

func TestEventsAreJSONLines(t *testing.T) {
	for _, s := range allScenarios() {
		out, _ := play(t, s, Options{}, NewEvents)
		last := ""
		for i, l := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
			var e struct {
				Format  string
				Version int
				Seq     int
				Time    time.Time
				Type    string
			}
			if err := json.Unmarshal([]byte(l), &e); err != nil {
				t.Fatalf("%s: %v: %s", s.name, err, l)
			}
			if e.Format != EventsFormat || e.Version != EventsVersion || e.Seq != i+1 || e.Time.IsZero() {
				t.Errorf("%s: line %d: %+v", s.name, i+1, e)
			}
			last = e.Type
		}
		if last != "run_finished" {
			t.Errorf("%s: the last event is %s", s.name, last)
		}
	}
}

func TestProgressIsThrottled(t *testing.T) {
	var events []any
	for i := range 100 {
		events = append(events, engine.StepProgress{Step: scrub, Current: int64(i)}, engine.StepProgress{Step: take}, 100*time.Millisecond)
	}
	out, _ := play(t, scenario{script: events}, Options{}, NewEvents)
	if n := strings.Count(out, "step_progress"); n != 2*20 {
		t.Errorf("%d lines of progress in 10 s of two steps, want 40", n)
	}
}

// An event that can't be encoded is told of, and the sequence has no gap.
func TestBrokenJSONFromAPlugin(t *testing.T) {
	broken := read(space, json.RawMessage(`{"a":`), 0)
	out, _ := play(t, scenario{script: []any{started(engine.ModeRun, 1), broken}}, Options{}, NewEvents)
	if !strings.Contains(out, `"seq":2`) || !strings.Contains(out, `"type":"step_finished","error":"cannot encode this event`) {
		t.Error(out)
	}
	for _, name := range []string{"live", "lines", "plan"} {
		play(t, scenario{script: []any{started(engine.ModeRun, 1), broken}}, Options{Verbose: true}, forms[name])
	}
}

type closedPipe struct{ writes int }

var errClosed = errors.New("closed pipe")

func (c *closedPipe) Write(p []byte) (int, error) {
	c.writes++
	return len(p) / 2, errClosed
}

func TestClosedPipe(t *testing.T) {
	for name, make := range forms {
		for _, s := range allScenarios() {
			out, errOut := &closedPipe{}, &closedPipe{}
			r := make(Options{Out: out, Err: errOut})
			for _, e := range s.script {
				if e, ok := e.(engine.Event); ok {
					r.Emit(e)
				}
			}
			for range 2 {
				if err := r.Close(); !errors.Is(err, errClosed) {
					t.Errorf("%s of %s: Close: %v", name, s.name, err)
				}
			}
			if out.writes > 1 || errOut.writes > 1 {
				t.Errorf("%s of %s: written to after an error", name, s.name)
			}
			r.Emit(started(engine.ModeRun, 1)) // ignored
		}
	}
}

func TestNoEventsNoOutput(t *testing.T) {
	for name, make := range forms {
		if out, errOut := play(t, scenario{}, Options{Live: true}, make); out+errOut != "" {
			t.Errorf("%s: %q", name, out+errOut)
		}
	}
}

// lockedBuffer is a writer that the test reads while the ticker writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestLiveRedraws(t *testing.T) {
	for _, make := range []func(Options) Reporter{
		func(o Options) Reporter { return newLive(o, 50*time.Microsecond) },
		func(o Options) Reporter { return newPlan(o, 50*time.Microsecond) },
	} {
		var out lockedBuffer
		r := make(Options{Out: &out, Live: true, Color: true, Columns: func() int { return 60 }})
		for _, s := range runScenarios()[:2] {
			for _, e := range s.script {
				if e, ok := e.(engine.Event); ok && s.name == "success" {
					r.Emit(e)
				}
			}
		}
		_ = r.Close()

		r = make(Options{Out: &out, Live: true, Columns: func() int { return 60 }})
		r.Emit(started(engine.ModeRun, 1))
		r.Emit(engine.StepStarted{Step: scrub})
		for i := range 200 {
			r.Emit(engine.StepProgress{Step: scrub, Current: int64(i), Total: 200, Unit: "chunks"})
		}
		deadline := time.Now().Add(time.Minute)
		for !strings.Contains(out.String(), "\x1b[K\r") {
			if time.Now().After(deadline) {
				t.Fatal("the last line was never redrawn")
			}
			time.Sleep(time.Millisecond)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		end := out.String()
		time.Sleep(2 * time.Millisecond)
		if out.String() != end {
			t.Error("written to after Close")
		}
		if last := end[strings.LastIndex(end, "\r"):]; !strings.HasPrefix(last, clearLine) {
			t.Errorf("the last line was not removed: %q", last)
		}
	}
}

// A secret is masked before a name is cut, in all forms.
func TestSecrets(t *testing.T) {
	const secret = "hunter2hunter2hunter2hunter2hunter2"
	c := change(sdk.Create, "snapshots/"+secret+"/x", "of "+secret, secret)
	s := scenario{script: script(started(engine.ModeRun, 1),
		engine.StepLog{Plugin: "p", Level: "info", Message: "pass=" + secret},
		runStep(take, []sdk.Change{c}, 1, 0, engine.StepResult{Outputs: json.RawMessage(`{"p":"` + secret + `"}`)}))}
	for name, make := range forms {
		out, errOut := play(t, s, Options{Width: 40, Verbose: true, Secrets: []string{secret}}, make)
		if text := out + errOut; strings.Contains(text, "hunter") || !strings.Contains(text, maskText) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestDetectWithoutATerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := Detect(f, f, func(string) string { return "" })
	if o.Live || o.Color || o.Width != 0 || o.Journal != nil || o.OutJournal || o.Out != f {
		t.Errorf("%+v", o)
	}
}
