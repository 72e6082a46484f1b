package report

import (
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

// Nothing is told of a step that is there for inputs that nobody has given, unless everything is to be told.
func TestUnsetIsQuiet(t *testing.T) {
	for name, c := range map[string]struct {
		make func(Options) Reporter
		mode engine.Mode
	}{"lines": {NewLines, engine.ModeRun}, "live": {still, engine.ModeRun}, "plan": {func(o Options) Reporter { return newPlan(o, 0) }, engine.ModePreview}} {
		s := scenario{name, script(started(c.mode, 1), ok(space, time.Millisecond),
			engine.StepFinished{StepResult: engine.StepResult{Step: alert, Status: engine.Skipped, Why: "its condition is false: x", Unset: []string{"webhook"}}},
			engine.StepFinished{StepResult: engine.StepResult{Step: metrics, Status: engine.Skipped, Why: "its condition is false: y", Unset: []string{"metrics"}}},
			finished(c.mode, engine.Succeeded, "", engine.Totals{}, time.Second, map[engine.Status]int{engine.OK: 1, engine.Skipped: 2}))}
		out, _ := play(t, s, Options{}, c.make)
		for _, word := range []string{"alert", "skipped", "whatever happened", "if the run fails", "false"} {
			if strings.Contains(out, word) {
				t.Errorf("%s tells of %q:\n%s", name, word, out)
			}
		}
		out, _ = play(t, s, Options{Verbose: true}, c.make)
		for _, word := range []string{"alert", "skipped: its condition is false: x"} {
			if !strings.Contains(out, word) {
				t.Errorf("%s, verbose, does not tell %q:\n%s", name, word, out)
			}
		}
	}
}
