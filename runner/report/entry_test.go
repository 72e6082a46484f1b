package report

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// asEntries writes what would go to the journal to Out, one field a word.
func asEntries(o Options) Reporter {
	out := o.Out
	o.OutJournal, o.ErrJournal = true, true
	o.Journal = func(e Entry) error {
		var words []string
		for _, f := range e.Fields() {
			if f.Name != "SYSLOG_IDENTIFIER" {
				words = append(words, fmt.Sprintf("%s=%s", f.Name, f.Value))
			}
		}
		_, err := fmt.Fprintln(out, strings.Join(words, "\n  "))
		return err
	}
	return NewLines(o)
}

func TestGoldenEntries(t *testing.T) {
	goldens(t, runScenarios(), []goldenForm{{"journal", asEntries, Options{}, "success failure hostile cancelled items timeout cut-off"}})
}

// What can't be given to the journal goes to the stream behind which it is, with its priority; what goes nowhere is
// counted.
func TestJournalDoesNotTakeIt(t *testing.T) {
	var out, err strings.Builder
	var told []string
	refuse := errors.New("refused")
	wrong := refuse
	broken := &failingWriter{to: &out}
	r := NewLines(Options{Out: broken, Err: &err, OutJournal: true, Journal: func(e Entry) error {
		if wrong == nil {
			told = append(told, e.Message)
		}
		return wrong
	}})
	r.Emit(started(engine.ModeRun, 1))
	if !strings.HasPrefix(out.String(), "<5>run 2026") {
		t.Errorf("a journal that refuses: %q", out.String())
	}
	broken.err = os.ErrDeadlineExceeded
	for range 3 {
		r.Emit(engine.ChangeMade{Step: take, Change: change(sdk.Create, "x", "", "")})
	}
	wrong = nil
	r.Emit(engine.ChangeMade{Step: take, Change: change(sdk.Create, "y", "", "")})
	r.Emit(engine.StepLog{Step: take, Plugin: "btrfs", Level: "warn", Message: "careful"})
	if want := []string{"step take: created y", "the journal did not take 3 lines before this one"}; strings.Join(told, "|") != strings.Join(want, "|") {
		t.Errorf("told %q", told)
	}
	if err.String() != "step take: btrfs: warn: careful\n" {
		t.Errorf("a stream that is no journal: %q", err.String())
	}
}

type failingWriter struct {
	to  *strings.Builder
	err error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	return w.to.Write(p)
}

func TestEntriesAreMasked(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, s := range runScenarios() {
		run := scenario{s.name, nil}
		for _, e := range s.script {
			switch e := e.(type) {
			case engine.RunStarted:
				e.Playbook, e.Run = secret, secret
				run.script = append(run.script, e, engine.StepLog{Step: engine.StepRef{ID: secret, Uses: secret + ".x"}, Plugin: secret, Level: "info", Message: secret})
			default:
				run.script = append(run.script, e)
			}
		}
		out, errs := play(t, run, Options{Secrets: []string{secret}}, asEntries)
		if strings.Contains(out+errs, "hunter2") || !strings.Contains(out, maskText) {
			t.Errorf("%s: a secret in\n%s", s.name, out)
		}
	}
}
