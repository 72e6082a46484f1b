package report

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk/plugintest/golden"
)

// play runs a script through a reporter and returns what it wrote to Out and Err.
func play(t *testing.T, s scenario, o Options, make func(Options) Reporter) (out, err string) {
	t.Helper()
	var outBuffer, errBuffer bytes.Buffer
	now := instant
	o.Out, o.Err, o.Now = &outBuffer, &errBuffer, func() time.Time { return now }
	r := make(o)
	for _, e := range s.script {
		if d, ok := e.(time.Duration); ok {
			now = now.Add(d)
			continue
		}
		r.Emit(e.(engine.Event))
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	return outBuffer.String(), errBuffer.String()
}

// still is the live form without its ticker, so that it writes the same each time.
func still(o Options) Reporter { return newLive(o, 0) }

// eager is the live form redrawn after each event.
type eager struct{ *live }

func (e eager) Emit(ev engine.Event) { e.live.Emit(ev); e.last.redraw() }

type goldenForm struct {
	name    string
	make    func(Options) Reporter
	options Options
	only    string // the scenarios, space separated; "": all
}

func TestGoldenRuns(t *testing.T) {
	goldens(t, runScenarios(), []goldenForm{
		{"live", still, Options{Width: 80}, ""},
		{"live-narrow", still, Options{Width: 40}, "success failure hostile"},
		{"live-verbose", still, Options{Width: 120, Verbose: true}, "success items"},
		{"live-quiet", still, Options{Width: 80, Quiet: true}, "success failure"},
		{"live-redrawn", func(o Options) Reporter { return eager{newLive(o, 0)} }, Options{Width: 80, Color: true}, "success cancelled cut-off"},
		{"lines", NewLines, Options{}, ""},
		{"lines-verbose", NewLines, Options{Verbose: true}, "success"},
		{"lines-quiet", NewLines, Options{Quiet: true, OutJournal: true, ErrJournal: true}, "success failure"},
		{"events", NewEvents, Options{}, "success failure hostile cancelled cut-off"},
	})
}

func TestGoldenPlans(t *testing.T) {
	goldens(t, planScenarios(), []goldenForm{
		{"80", NewPlan, Options{Width: 80}, ""},
		{"color", NewPlan, Options{Width: 100, Color: true}, "plan plan-conditional"},
		{"file", NewPlan, Options{}, ""},
		{"verbose", NewPlan, Options{Width: 100, Verbose: true}, "plan plan-hostile"},
		{"quiet", NewPlan, Options{Width: 100, Quiet: true}, "plan plan-failure"},
		{"document", NewPlanJSON, Options{}, "plan-conditional plan-hostile plan-items plan-cut-off"},
	})
}

func goldens(t *testing.T, scenarios []scenario, forms []goldenForm) {
	for _, f := range forms {
		for _, s := range scenarios {
			if f.only != "" && !strings.Contains(" "+f.only+" ", " "+s.name+" ") {
				continue
			}
			t.Run(s.name+"/"+f.name, func(t *testing.T) {
				out, errOut := play(t, s, f.options, f.make)
				got := out
				if errOut != "" {
					got += "--- err\n" + errOut
				}
				got = strings.NewReplacer("\x1b", "␛", "\r", "␍").Replace(got)
				golden.Check(t, filepath.Join("testdata", s.name+"."+f.name+".golden"), got)
			})
		}
	}
}
