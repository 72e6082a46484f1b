package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/serve"
)

// TestMain lets the test binary be the plugin that the tests start.
func TestMain(m *testing.M) {
	if os.Args[0] == "plugin:trouble" {
		serve.Run(trouble())
	}
	os.Exit(m.Run())
}

type doIn struct {
	Dir  string `json:"dir"` // where the calls and what they wait for are noted
	Name string `json:"name"`
	Way  string `json:"way"`
}

// trouble is a plugin with one action, which goes wrong in the way that it is asked to.
// It notes each call in a file of the folder that it is given.
func trouble() *sdk.Plugin {
	note := func(in doIn, what string) error {
		f, err := os.OpenFile(filepath.Join(in.Dir, "calls"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f, "%s %s\n", what, in.Name)
		return errors.Join(err, f.Close())
	}
	// await returns when a file is there, or when the call is asked to stop.
	await := func(ctx context.Context, in doIn, file string) {
		for {
			if _, err := os.Stat(filepath.Join(in.Dir, file)); err == nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}
	return &sdk.Plugin{Name: "trouble", Version: "1", Actions: []sdk.Action{
		sdk.Write(sdk.Info{Name: "do"}, sdk.Writer[doIn, struct{}, sdk.None]{
			Plan: func(ctx context.Context, c *sdk.Call, in doIn) (p sdk.Planned[struct{}, sdk.None], err error) {
				if err := note(in, "plan"); err != nil {
					return p, err
				}
				switch in.Way {
				case "plan refuses":
					return p, &sdk.Error{Summary: "no"}
				case "plan crashes":
					panic("something is nil")
				case "plan hangs":
					select {}
				}
				p.Changes = []sdk.Change{{Kind: sdk.Create, Resource: sdk.Resource{Type: "thing", Name: in.Name}}}
				return p, nil
			},
			Apply: func(ctx context.Context, c *sdk.Call, in doIn, _ sdk.None) (out struct{}, err error) {
				if err := note(in, "apply"); err != nil {
					return out, err
				}
				c.Done(0)
				if in.Way == "" {
					return out, nil
				}
				await(context.Background(), in, "seen") // else the news of the change goes with the process
				switch in.Way {
				case "apply refuses":
					return out, &sdk.Error{Summary: "no"}
				case "apply crashes":
					os.Exit(9)
				case "apply hangs":
					select {}
				case "apply cleans up":
					await(ctx, in, "go")
					if ctx.Err() == nil {
						return out, nil
					}
					time.Sleep(20 * time.Millisecond)
					return out, errors.Join(note(in, "clean up"), ctx.Err())
				}
				return out, nil
			},
		}),
	}}
}

// troubled is what happens to one step: the way in which its action goes wrong, and what
// ends it where it does not end by itself.
type troubled struct {
	way     string
	ends    string // timeout, stop, or "": by itself
	status  engine.Status
	planned bool // it came to its Apply
}

var troubles = []troubled{
	{"plan refuses", "", engine.Failed, false},
	{"plan crashes", "", engine.Errored, false},
	{"plan hangs", "timeout", engine.TimedOut, false},
	{"plan hangs", "stop", engine.Cancelled, false},
	{"apply refuses", "", engine.Failed, true},
	{"apply crashes", "", engine.Errored, true},
	{"apply hangs", "timeout", engine.TimedOut, true},
	{"apply hangs", "stop", engine.Cancelled, true},
	{"apply cleans up", "timeout", engine.TimedOut, true},
	{"apply cleans up", "stop", engine.Cancelled, true},
}

const troubledPlaybook = `version: 1
name: troubled
steps:
  - {id: a, uses: trouble.do, with: {name: a, WITH}}
  - {id: each, for_each: [x, y], uses: trouble.do, with: {name: "${{ item }}", WITH}}
  - id: guarded
    block:
      - {id: b1, uses: trouble.do, with: {name: b1, WITH}}
      - {id: b2, uses: trouble.do, with: {name: b2, WITH}}
    rescue:
      - {id: r1, uses: trouble.do, with: {name: r1, WITH}}
    always:
      - {id: t1, uses: trouble.do, with: {name: t1, WITH}}
      - {id: t2, uses: trouble.do, with: {name: t2, WITH}}
  - {id: c, uses: trouble.do, with: {name: c, WITH}}
on_failure:
  - {id: tell, uses: trouble.do, with: {name: tell, WITH}}
always:
  - {id: last1, uses: trouble.do, with: {name: last1, WITH}}
  - {id: last2, uses: trouble.do, with: {name: last2, WITH}}
`

// What becomes of the steps when one of them goes wrong: + it made its change, - it was
// not reached, ! it went wrong, f it failed before, r rescued. In this order:
var troubledSteps = strings.Fields("a x y b1 b2 r1 t1 t2 guarded c tell last1 last2")

var outcomes = []struct{ step, failed, stopped, before string }{
	{"a", "!-- ----- - - + ++", "!-- ----- - - - ++", ""},
	{"x", "+!- ----- - - + ++", "+!- ----- - - - ++", ""},
	{"y", "++! ----- - - + ++", "++! ----- - - - ++", ""},
	{"b1", "+++ !-+++ r + - ++", "+++ !--++ ! - - ++", ""},
	{"b2", "+++ +!+++ r + - ++", "+++ +!-++ ! - - ++", ""},
	{"r1", "+++ +f!++ ! - + ++", "+++ +f!++ ! - - ++", "b2"},
	{"t1", "+++ ++-!+ ! - + ++", "+++ ++-++ + - - ++", ""},
	{"t2", "+++ ++-+! ! - + ++", "+++ ++-++ + - - ++", ""},
	{"c", "+++ ++-++ + ! + ++", "+++ ++-++ + ! - ++", ""},
	{"tell", "+++ ++-++ + f ! ++", "+++ ++-++ + f + ++", "c"},
	{"last1", "+++ ++-++ + + - !+", "+++ ++-++ + + - ++", ""},
	{"last2", "+++ ++-++ + + - +!", "+++ ++-++ + + - ++", ""},
}

// deaf steps are not ended by a request to stop: they are clean-up already.
const deaf = " t1 t2 tell last1 last2 "

// With a real process behind the plugin: for every step and every way to go wrong, what
// becomes of each step, in which order the clean-up runs, and that a process which died
// or was killed is followed by a fresh one.
func TestTroubleAtEveryStep(t *testing.T) {
	var all sync.WaitGroup
	slots := make(chan struct{}, 8) // mostly they wait
	for _, o := range outcomes {
		for _, how := range troubles {
			isDeaf := strings.Contains(deaf, " "+o.step+" ")
			if isDeaf && how.ends == "stop" && how.way != "apply cleans up" {
				continue // nothing would end it
			}
			all.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				want := o.failed
				if how.ends == "stop" {
					want = o.stopped
				}
				goWrong(t, o.step, o.before, how, strings.ReplaceAll(want, " ", ""), isDeaf)
			})
		}
	}
	all.Wait()
}

func goWrong(t *testing.T, step, before string, how troubled, want string, isDeaf bool) {
	name := fmt.Sprintf("%s: %s, ended by %q", step, how.way, how.ends)
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Error(err)
		return
	}
	touch := func(file string) { _ = os.WriteFile(filepath.Join(dir, file), nil, 0o600) }
	text := troubledPlaybook
	for _, s := range troubledSteps {
		way := ""
		switch s {
		case step:
			way = how.way
		case before:
			way = "plan refuses"
		}
		with := fmt.Sprintf("way: %q, dir: %q", way, dir)
		text = strings.Replace(text, "{name: "+s+", WITH}", "{name: "+s+", "+with+"}", 1)
	}
	text = strings.Replace(text, "WITH", fmt.Sprintf("way: \"${{ item == '%s' ? '%s' : '' }}\", dir: %q", step, how.way, dir), 1)
	if how.ends == "timeout" {
		id := step
		if step == "x" || step == "y" {
			id = "each"
		}
		text = strings.Replace(text, "{id: "+id+",", "{id: "+id+", timeout: 4s,", 1)
	}
	grace := time.Minute // to clean up in
	if how.way == "apply hangs" {
		grace = 200 * time.Millisecond
	}
	h := host.New(host.Options{Grace: grace,
		Sources: []host.Source{{Name: "trouble", Path: "/proc/self/exe", Args: []string{"plugin:trouble"}}}})
	defer h.Close()
	r := &Runner{Host: h}
	loaded, err := r.Load(context.Background(), "test.yaml", []byte(text))
	if err != nil || loaded.Program == nil {
		t.Errorf("%s: %v %v", name, err, loaded.Mistakes)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if how.ends == "stop" && !how.planned {
		go func() { // a Plan tells nothing while it runs
			for ctx.Err() == nil {
				if data, _ := os.ReadFile(filepath.Join(dir, "calls")); strings.Contains(string(data), "plan "+step+"\n") {
					stop()
				}
				time.Sleep(2 * time.Millisecond)
			}
		}()
	}
	report := r.Execute(ctx, loaded.Program, Job{Mode: engine.ModeRun, Emit: func(e engine.Event) {
		made, ok := e.(engine.ChangeMade)
		if !ok || made.Change.Resource.Name != step {
			return
		}
		touch("seen")
		if how.ends == "stop" {
			stop()
			if isDeaf {
				touch("go")
			}
		}
	}})

	got := map[string]engine.StepResult{}
	for _, s := range report.Steps {
		id := s.Step.ID
		if s.Step.Item != nil {
			id = s.Step.Label
		}
		got[id] = s
	}
	var calls strings.Builder
	failed := false
	for i, s := range troubledSteps {
		status, made, plans := engine.Unreached, false, true
		switch want[i] {
		case '+':
			status, made = engine.Changed, true
		case '!':
			status, made = how.status, how.planned
			failed = true
		case 'f':
			status = engine.Failed
			failed = true
		case 'r':
			status = engine.Rescued
			failed = false
		case '-':
			plans = false
		}
		if s == "guarded" {
			made, plans = false, false
		}
		if (s == "x" || s == "y") && status == engine.Unreached && got[s].Status == "" {
			got[s] = engine.StepResult{Status: got["each"].Status} // it never came to its items
		}
		if got[s].Status != status || (len(got[s].Made) == 1) != made {
			t.Errorf("%s: step %s: %s, made %v; want %s, made %v\n%+v", name, s, got[s].Status, got[s].Made, status, made, got[s].Diagnostics)
		}
		if plans {
			fmt.Fprintf(&calls, "plan %s\n", s)
		}
		if made {
			fmt.Fprintf(&calls, "apply %s\n", s)
		}
		if want[i] == '!' && s == step && how.way == "apply cleans up" {
			fmt.Fprintf(&calls, "clean up %s\n", s)
		}
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "calls")); string(data) != calls.String() {
		t.Errorf("%s: calls:\n%swant:\n%s", name, data, calls.String())
	}
	status := engine.Succeeded
	switch {
	case how.ends == "stop":
		status = engine.RunCancelled
	case failed:
		status = engine.RunFailed
	}
	if report.Finished.Status != status {
		t.Errorf("%s: the run: %s, want %s", name, report.Finished.Status, status)
	}
}
