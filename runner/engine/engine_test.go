package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk"
)

const rotation = `
steps:
  - {id: put_c, uses: shelf.put, with: {name: c}}
  - {id: put_d, uses: shelf.put, with: {name: d}}
  - {id: expire, uses: shelf.drop, with: {keep: 2}}
always:
  - {id: result, uses: shelf.list}
`

// The heart of the matter: a later step of a preview sees what earlier ones have
// planned, and a run then does just that.
func TestPreviewIsRun(t *testing.T) {
	s := &shelf{names: []string{"a", "b"}}
	p := program(t, rotation, s)
	preview := execute(t, context.Background(), p, s, ModePreview)
	want := "put_c changed +c\nput_d changed +d\nexpire changed -a -b\nresult ok\n"
	if got := outline(preview, ModePreview); got != want {
		t.Errorf("preview:\n%s", got)
	}
	if !slices.Equal(s.names, []string{"a", "b"}) {
		t.Errorf("the preview has changed the machine: %v", s.names)
	}
	if got := string(preview.Steps[3].Outputs); got != `{"names":["c","d"],"count":2}` {
		t.Errorf("what the reading step of the preview saw: %s", got)
	}
	run := execute(t, context.Background(), p, s, ModeRun)
	if got := outline(run, ModeRun); got != want {
		t.Errorf("run:\n%s", got)
	}
	if !slices.Equal(s.names, []string{"c", "d"}) {
		t.Errorf("the machine after the run: %v", s.names)
	}
	if got, want := run.Finished.Changes, (Totals{Create: 2, Delete: 2}); got != want || preview.Finished.Changes != want {
		t.Errorf("totals: run %+v, preview %+v", got, preview.Finished.Changes)
	}
}

// For every step and every way to fail: what ran, in which order, and how each
// step is accounted for.
func TestFailureAtEveryStep(t *testing.T) {
	const text = `
steps:
  - {id: one, uses: shelf.put, with: {name: one}}
  - {id: two, uses: shelf.put, with: {name: two}}
  - {id: three, uses: shelf.put, with: {name: three}}
  - {id: despite, if: "!cancelled()", uses: shelf.put, with: {name: despite}}
on_failure:
  - {id: tell, uses: shelf.put, with: {name: "tell-${{ error.step }}-${{ error.status }}"}}
always:
  - {id: last, uses: shelf.put, with: {name: last}}
`
	steps := []string{"one", "two", "three"}
	kinds := map[string]struct {
		err    error
		status Status
	}{
		"refused":  {&sdk.Error{Summary: "no space"}, Failed},
		"unusual":  {errors.New("disk on fire"), Failed},
		"crashed":  {errBroken, Errored},
		"drifted":  {&sdk.Error{Reason: sdk.Drifted, Summary: "changed meanwhile"}, Failed},
		"multiple": {errors.Join(&sdk.Error{Summary: "a"}, &sdk.Error{Summary: "b"}), Failed},
	}
	for k, failing := range steps {
		for _, phase := range []string{"plan", "apply"} {
			for name, kind := range kinds {
				t.Run(fmt.Sprintf("%s/%s/%s", failing, phase, name), func(t *testing.T) {
					s := &shelf{}
					s.hook = func(call string) error {
						if call == phase+" put "+failing {
							return kind.err
						}
						return nil
					}
					r := execute(t, context.Background(), program(t, text, s), s, ModeRun)
					var want strings.Builder
					for i, id := range steps {
						switch {
						case i < k:
							fmt.Fprintf(&want, "%s changed +%s\n", id, id)
						case i == k:
							fmt.Fprintf(&want, "%s %s\n", id, kind.status)
						default:
							fmt.Fprintf(&want, "%s unreached\n", id)
						}
					}
					want.WriteString("despite changed +despite\n")
					fmt.Fprintf(&want, "tell changed +tell-%s-%s\nlast changed +last\n", failing, kind.status)
					if got := outline(r, ModeRun); got != want.String() {
						t.Errorf("got:\n%swant:\n%s", got, want.String())
					}
					if r.Finished.Status != RunFailed || !strings.HasPrefix(r.Finished.Reason, "step "+failing+": ") {
						t.Errorf("finished: %+v", r.Finished)
					}
				})
			}
		}
	}
}

func TestSuccessLeavesOnFailureAlone(t *testing.T) {
	s := &shelf{}
	p := program(t, `
steps: [{id: one, uses: shelf.put, with: {name: one}}]
on_failure: [{id: tell, uses: shelf.put, with: {name: tell}}]
always: [{id: last, uses: shelf.list}]
`, s)
	r := execute(t, context.Background(), p, s, ModeRun)
	if got := outline(r, ModeRun); got != "one changed +one\ntell unreached\nlast ok\n" {
		t.Error(got)
	}
	// A second run of a step that converges changes nothing.
	again := execute(t, context.Background(), p, s, ModeRun)
	if got := outline(again, ModeRun); got != "one ok\ntell unreached\nlast ok\n" {
		t.Error(got)
	}
	preview := execute(t, context.Background(), p, s, ModePreview)
	if preview.Steps[1].Conditional != "only if the run fails" || preview.Finished.Changes.Any() {
		t.Errorf("preview: %+v", preview)
	}
}

func TestConditions(t *testing.T) {
	s := &shelf{names: []string{"a"}}
	p := program(t, `
vars: {limit: 1}
steps:
  - {id: look, uses: shelf.list}
  - {id: no, if: steps.look.outputs.count > vars.limit, uses: shelf.put, with: {name: x}}
  - {id: yes, if: steps.look.outputs.count == vars.limit && steps.no.status == "skipped", uses: shelf.put, with: {name: y}}
  - {id: fallback, uses: shelf.put, with: {name: "${{ steps.no.outputs?.name ?? 'none' }}"}}
`, s)
	for _, mode := range []Mode{ModePreview, ModeRun} {
		if got := outline(execute(t, context.Background(), p, s, mode), mode); got != "look ok\nno skipped\nyes changed +y\nfallback changed +none\n" {
			t.Errorf("%s:\n%s", mode, got)
		}
	}
}

// What only the run can tell is shown as such, and never as false or nothing.
func TestUnknownValues(t *testing.T) {
	const text = `
steps:
  - {id: first, uses: shelf.put, with: {name: a}}
  - {id: known, uses: shelf.put, with: {name: "after-${{ steps.first.outputs.name }}"}}
  - {id: maybe, if: steps.first.outputs.number > 1, uses: shelf.put, with: {name: b}}
  - {id: never, if: steps.first.outputs.number > 1 && false, uses: shelf.put, with: {name: c}}
  - {id: named, uses: shelf.put, with: {name: "n${{ steps.first.outputs.number }}"}}
  - {id: expire, uses: shelf.drop, with: {keep: 1}}
`
	s := &shelf{}
	p := program(t, text, s)
	preview := execute(t, context.Background(), p, s, ModePreview)
	want := "first changed +a\nknown changed +after-a\nmaybe changed? +b\nnever skipped\nnamed ok?\nexpire changed? -a\n"
	if got := outline(preview, ModePreview); got != want {
		t.Errorf("preview:\n%s", got)
	}
	if got := preview.Finished.Changes; got != (Totals{Create: 2, Conditional: 2}) {
		t.Errorf("totals: %+v", got)
	}
	for id, why := range map[int]string{2: "whether it runs is decided at run", 4: "its inputs are known after run",
		5: "step maybe, which touches the same, is decided at run"} {
		if got := preview.Steps[id].Conditional; got != why {
			t.Errorf("%s: conditional %q, want %q", preview.Steps[id].Step.ID, got, why)
		}
	}
	run := execute(t, context.Background(), p, s, ModeRun)
	want = "first changed +a\nknown changed +after-a\nmaybe skipped\nnever skipped\nnamed changed +n1\nexpire changed -a -after-a\n"
	if got := outline(run, ModeRun); got != want {
		t.Errorf("run:\n%s", got)
	}
}

func TestForEach(t *testing.T) {
	s := &shelf{}
	text := `
inputs: {names: {type: list, default: [x, y, z]}}
steps:
  - {id: each, for_each: inputs.names, uses: shelf.put, with: {name: "${{ item }}-${{ index }}"}, name: "Put ${{ item }}"}
  - {id: map, for_each: {k: 1, j: 2}, uses: shelf.put, with: {name: "${{ index }}${{ item }}"}}
  - {id: after, uses: shelf.put, with: {name: "${{ steps.each.outputs[1].name }}!"}}
`
	p := program(t, text, s)
	want := "each[x] changed +x-0\neach[y] changed +y-1\neach[z] changed +z-2\nmap[j] changed +j2\nmap[k] changed +k1\nafter changed +y-1!\n"
	for _, mode := range []Mode{ModePreview, ModeRun} {
		r := execute(t, context.Background(), p, s, mode)
		if got := outline(r, mode); got != want {
			t.Errorf("%s:\n%s", mode, got)
		}
		if got := r.Steps[1].Step.Title; got != "Put y" {
			t.Errorf("title: %q", got)
		}
	}
	s = &shelf{hook: func(call string) error {
		if call == "apply put y-1" {
			return &sdk.Error{Summary: "no"}
		}
		return nil
	}}
	r := execute(t, context.Background(), program(t, text, s), s, ModeRun)
	want = "each[x] changed +x-0\neach[y] failed\neach[z] unreached\nmap unreached\nafter unreached\n"
	if got := outline(r, ModeRun); got != want {
		t.Errorf("a failing item:\n%s", got)
	}
}

func TestContinueOnError(t *testing.T) {
	s := &shelf{hook: func(call string) error {
		if call == "apply put b" {
			return &sdk.Error{Summary: "no"}
		}
		return nil
	}}
	p := program(t, `
steps:
  - {id: each, for_each: [a, b, c], continue_on_error: true, uses: shelf.put, with: {name: "${{ item }}"}}
  - {id: after, uses: shelf.put, with: {name: d}}
`, s)
	r := execute(t, context.Background(), p, s, ModeRun)
	if got := outline(r, ModeRun); got != "each[a] changed +a\neach[b] failed\neach[c] changed +c\nafter changed +d\n" {
		t.Error(got)
	}
	if r.Finished.Status != Succeeded {
		t.Errorf("%+v", r.Finished)
	}
}

func TestHoldStopsWhatDestroys(t *testing.T) {
	s := &shelf{names: []string{"a", "b", "c"}}
	p := program(t, rotation, s)
	inputs, _ := p.Resolve(nil)
	r := Execute(context.Background(), p, Options{Plugins: inProcess{s.plugin()}, Mode: ModeRun, Instant: instant, Inputs: inputs,
		Now: func() (z timeT) { return }, Hold: "/etc/coppice/hold exists"})
	if got := outline(r, ModeRun); got != "put_c ok\nput_d changed +d\nexpire skipped\nresult ok\n" {
		t.Error(got)
	}
	if d := r.Steps[2].Diagnostics; len(d) != 1 || d[0].Severity != sdk.SeverityWarning {
		t.Errorf("diagnostics: %+v", d)
	}
}

// What an action that may change anything does to later steps can't be predicted: they say what they presume.
func TestPresumes(t *testing.T) {
	s := &shelf{}
	p := program(t, `
steps:
  - {id: one, uses: shelf.put, with: {name: one}}
  - {id: stirred, uses: shelf.stir}
  - {id: two, uses: shelf.put, with: {name: two}}
  - {id: loop, for_each: [1, 2], uses: shelf.stir}
  - {id: maybe, if: steps.two.outputs.number > 0, uses: shelf.stir}
  - {id: look, uses: shelf.list}
`, s)
	r := execute(t, context.Background(), p, s, ModePreview)
	want := [][]string{nil, nil, {"stirred"}, {"stirred"}, {"stirred"}, {"stirred", "loop"}, {"stirred", "loop", "maybe"}}
	for i, step := range r.Steps {
		if !slices.Equal(step.Presumes, want[i]) {
			t.Errorf("%s presumes %v, want %v", step.Step.ID, step.Presumes, want[i])
		}
	}
	for _, step := range execute(t, context.Background(), p, s, ModeRun).Steps {
		if step.Presumes != nil {
			t.Errorf("%s presumes %v in a run", step.Step.ID, step.Presumes)
		}
	}
}
