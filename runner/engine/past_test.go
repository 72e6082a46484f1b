package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// pastOf is what a record would tell of the first n results of a run.
func pastOf(steps []StepResult) *Past {
	p := &Past{Run: "r0", Origin: "r0", Steps: map[string]PastStep{}, Items: map[string]map[int]PastStep{}}
	for _, s := range steps {
		done := PastStep{Status: s.Status, Why: s.Why, Label: s.Step.Label, Summary: s.Summary, Made: len(s.Made), Outputs: s.Outputs}
		if s.Step.Item == nil {
			p.Steps[s.Step.ID] = done
			continue
		}
		if p.Items[s.Step.ID] == nil {
			p.Items[s.Step.ID] = map[int]PastStep{}
		}
		p.Items[s.Step.ID][*s.Step.Item] = done
	}
	return p
}

const long = `
steps:
  - {id: a, uses: shelf.put, with: {name: a}}
  - {id: each, for_each: "${{ ['m', 'n', 'o'] }}", uses: shelf.put, with: {name: "${{ item }}"}}
  - id: guarded
    block:
      - {id: inner, uses: shelf.put, with: {name: inner}}
      - {id: second, uses: shelf.put, with: {name: "second-${{ steps.inner.outputs.number }}"}}
    rescue: [{id: mend, uses: shelf.put, with: {name: mend}}]
    always: [{id: tidy, uses: shelf.put, with: {name: tidy}}]
  - {id: not, if: "steps.a.outputs.number > 100", uses: shelf.put, with: {name: not}}
  - {id: look, uses: shelf.list}
  - {id: z, uses: shelf.put, with: {name: "z-${{ steps.a.outputs.number }}-${{ steps.each.outputs[2].number }}-${{ steps.look.outputs.count }}"}}
always:
  - {id: last, uses: shelf.put, with: {name: "last-${{ run.id }}"}}
`

// Wherever a run is cut off between two steps: what finished is not done again, and all ends as if nothing had been.
func TestResumeFromEveryStep(t *testing.T) {
	t.Run("blocks", func(t *testing.T) { resumeFromEveryStep(t, long) })
	t.Run("calls", func(t *testing.T) { resumeFromEveryStep(t, longCalls) })
}

// longCalls is long with some of it in called playbooks.
const longCalls = `
vars: {word: w}
steps:
  - {id: a, uses: shelf.put, with: {name: a}}
  - {id: outer, playbook: outer.yaml, with: {word: "${{ vars.word }}${{ steps.a.outputs.number }}"}}
  - {id: z, uses: shelf.put, with: {name: "z-${{ steps.a.outputs.number }}-${{ steps.outer.outputs.sum }}-${{ steps.outer.outputs.took }}-${{ steps.outer.outputs.inner.names[0] }}"}}
always:
  - {id: last, uses: shelf.put, with: {name: "last-${{ run.id }}"}}
-- outer.yaml --
inputs: {word: {type: string}, took: {type: duration, default: 90s}}
vars: {twice: "${{ inputs.word + inputs.word }}"}
steps:
  - {id: first, uses: shelf.put, with: {name: "${{ vars.twice }}-${{ run.playbook }}"}}
  - {id: within, playbook: inner.yaml, with: {n: "${{ steps.first.outputs.number }}"}}
  - {id: second, uses: shelf.put, with: {name: "second-${{ steps.within.outputs.names[0] }}"}}
always:
  - {id: tidy, uses: shelf.put, with: {name: tidy}}
outputs: {sum: "${{ steps.first.outputs.number + steps.second.outputs.number }}", took: "${{ inputs.took * 2 }}", inner: "${{ steps.within.outputs }}"}
-- inner.yaml --
inputs: {n: {type: int, max: 1000}}
steps:
  - {id: each, for_each: "${{ ['m', 'n'] }}", uses: shelf.put, with: {name: "${{ item }}${{ inputs.n }}"}}
  - {id: look, uses: shelf.list}
outputs: {names: "${{ map(steps.each.outputs, .name) }}"}
`

func resumeFromEveryStep(t *testing.T, text string) {
	whole := &shelf{}
	p := program(t, text, whole)
	full := execute(t, context.Background(), p, whole, ModeRun)
	if full.Finished.Status != Succeeded {
		t.Fatal(outline(full, ModeRun))
	}
	for cut := range len(full.Steps) {
		s := &shelf{}
		ctx, stop := context.WithCancel(context.Background())
		// Run as far as that, and then no further: as a killed run does.
		n := 0
		r := Execute(ctx, p, Options{Plugins: inProcess{s.plugin()}, Mode: ModeRun, Run: "r0", Instant: instant, Inputs: map[string]any{},
			Host: map[string]any{}, Now: time.Now, Sleep: func(context.Context, time.Duration) {}, Last: ctx, Emit: func(e Event) {
				if _, ok := e.(StepFinished); ok {
					if n++; n == cut {
						stop()
					}
				}
			}})
		if cut == 0 {
			r.Steps = nil
			s.names = nil
		}
		s.calls = nil
		past := pastOf(r.Steps[:min(cut, len(r.Steps))])
		preview := resume(t, context.Background(), p, s, ModePreview, past)
		if got := preview.Finished.Status; got != Succeeded {
			t.Errorf("cut behind %d: preview %s", cut, got)
		}
		s.calls = nil
		again := resume(t, context.Background(), p, s, ModeRun, past)
		if again.Finished.Status != Succeeded || again.Started.Resumes != "r0" {
			t.Errorf("cut behind %d:\n%s%+v", cut, outline(again, ModeRun), again.Finished)
		}
		var want []string
		for _, name := range whole.names {
			want = append(want, strings.Replace(name, "last-r1", "last-r0", 1))
		}
		have := slices.Clone(s.names)
		slices.Sort(want)
		slices.Sort(have)
		if !slices.Equal(have, want) {
			t.Errorf("cut behind %d: %v, want %v", cut, have, want)
		}
		for i, done := range again.Steps {
			finished := i < cut && (done.Status == OK || done.Status == Changed) && done.Step.Section == SectionSteps
			if finished && !strings.HasSuffix(done.Step.ID, "tidy") && done.Resumed != "r0" {
				t.Errorf("cut behind %d: step %s was done again", cut, done.Step.ID)
			}
			if finished && !strings.HasSuffix(done.Step.ID, "tidy") && done.Status != full.Steps[i].Status {
				t.Errorf("cut behind %d: step %s is %s, was %s", cut, done.Step.ID, done.Status, full.Steps[i].Status)
			}
		}
		for _, call := range s.calls {
			if cut > 0 && call == "apply put a" {
				t.Errorf("cut behind %d: %v", cut, s.calls)
			}
		}
		stop()
	}
}

func TestResumeAfterFailure(t *testing.T) {
	const text = `
steps:
  - {id: a, uses: shelf.put, with: {name: a}}
  - {id: b, uses: shelf.put, with: {name: b}}
  - {id: despite, if: failure(), uses: shelf.put, with: {name: despite}}
  - {id: c, uses: shelf.put, with: {name: "c-${{ steps.a.outputs.number }}"}}
on_failure: [{id: tell, uses: shelf.put, with: {name: tell}}]
`
	s := &shelf{hook: func(call string) error {
		if call == "apply put b" {
			return errors.New("no space")
		}
		return nil
	}}
	p := program(t, text, s)
	first := execute(t, context.Background(), p, s, ModeRun)
	if got := outline(first, ModeRun); got != "a changed +a\nb failed\ndespite changed +despite\nc unreached\ntell changed +tell\n" {
		t.Fatal(got)
	}
	s.hook = nil
	again := resume(t, context.Background(), p, s, ModeRun, pastOf(first.Steps))
	if got := outline(again, ModeRun); got != "a changed\nb changed +b\ndespite changed\nc changed +c-1\ntell unreached\n" || again.Finished.Status != Succeeded {
		t.Errorf("%s%+v", got, again.Finished)
	}
	if got, want := again.Finished.Changes, (Totals{Create: 2}); got != want {
		t.Errorf("changes: %+v", got)
	}
}

// A block that was rescued has finished: neither the step that failed in it nor its rescue is done again.
func TestResumeBehindRescue(t *testing.T) {
	const text = `
steps:
  - id: guarded
    block:
      - {id: a, uses: shelf.put, with: {name: a}}
      - {id: b, uses: shelf.put, with: {name: b}}
    rescue: [{id: mend, uses: shelf.put, with: {name: mend}}]
  - {id: c, uses: shelf.put, with: {name: "c-${{ steps.guarded.status }}-${{ steps.mend.outputs?.number ?? 0 }}"}}
`
	s := &shelf{hook: func(call string) error {
		if call == "apply put b" || strings.HasPrefix(call, "plan put c") {
			return errors.New("no space")
		}
		return nil
	}}
	p := program(t, text, s)
	first := execute(t, context.Background(), p, s, ModeRun)
	s.hook, s.calls = nil, nil
	again := resume(t, context.Background(), p, s, ModeRun, pastOf(first.Steps))
	if got := outline(again, ModeRun); got != "a changed\nb failed\nmend changed\nguarded rescued\nc changed +c-rescued-2\n" {
		t.Errorf("%s", got)
	}
	if !slices.Equal(s.calls, []string{"plan put c-rescued-2", "apply put c-rescued-2"}) {
		t.Errorf("%v", s.calls)
	}
}

// What converges is planned anew when a clean-up has changed the like since, or the machine was started again.
func TestResumePlansAnew(t *testing.T) {
	const text = `
steps:
  - {id: look, uses: shelf.list}
  - {id: a, uses: shelf.put, with: {name: a}}
  - {id: b, uses: shelf.put, with: {name: b}}
always: [{id: last, uses: shelf.put, with: {name: last}}]
`
	s := &shelf{names: []string{"x"}}
	p := program(t, text, s)
	first := execute(t, context.Background(), p, s, ModeRun)
	calls := func(past *Past) string {
		s.calls = nil
		resume(t, context.Background(), p, s, ModeRun, past)
		return strings.Join(s.calls, ", ")
	}
	past := pastOf(first.Steps[:2])
	if got := calls(past); strings.Contains(got, "plan list") {
		t.Errorf("nothing has happened: %s", got)
	}
	past.Rebooted = true
	if got := calls(past); !strings.Contains(got, "plan list") || strings.Contains(got, "put a") {
		t.Errorf("started again: %s", got)
	}
	past = pastOf(append(first.Steps[:2:2], first.Steps[3]))
	if got := calls(past); !strings.Contains(got, "plan list") || strings.Contains(got, "put a") {
		t.Errorf("cleaned up: %s", got)
	}
}

func TestResumeWithLostOutputs(t *testing.T) {
	const text = `
steps:
  - {id: look, uses: shelf.list}
  - {id: a, uses: shelf.put, with: {name: a}}
  - {id: b, uses: shelf.put, with: {name: "b-${{ steps.look.outputs.count }}"}}
  - {id: c, uses: shelf.put, with: {name: "c-${{ steps.a.outputs.number }}"}}
`
	s := &shelf{names: []string{"x"}}
	p := program(t, text, s)
	past := pastOf(execute(t, context.Background(), p, s, ModeRun).Steps[:2])
	lose := func(id string) {
		done := past.Steps[id]
		done.Outputs, done.Lost = nil, "a secret was in them"
		past.Steps[id] = done
	}
	lose("look") // it only reads: it does so again
	s.names = []string{"x", "y"}
	r := resume(t, context.Background(), p, s, ModeRun, past)
	if got := outline(r, ModeRun); got != "look ok\na changed\nb changed +b-2\nc changed +c-2\n" || r.Steps[0].Resumed != "" {
		t.Errorf("%s", got)
	}
	lose("a")
	r = resume(t, context.Background(), p, s, ModeRun, past)
	if got := outline(r, ModeRun); got != "look ok\na failed\nb unreached\nc unreached\n" ||
		!strings.Contains(r.Finished.Reason, "not in the record: a secret was in them") {
		t.Errorf("%s%+v", got, r.Finished)
	}
	var decoded StepResult
	data, _ := json.Marshal(r.Steps[1])
	if err := json.Unmarshal(data, &decoded); err != nil || decoded.Lost == "" || decoded.Resumed != "r0" {
		t.Errorf("%s: %v", data, err)
	}
}
