package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/check"
)

// A called playbook has a scope of its own, and its steps are steps of the run.
func TestCalls(t *testing.T) {
	const text = `
inputs: {word: {type: string, default: x}}
steps:
  - {id: take, uses: shelf.put, with: {name: outer}}
  - {id: sub, playbook: sub.yaml, with: {name: "${{ inputs.word }}${{ steps.take.outputs.number }}"}}
  - {id: again, playbook: sub.yaml, with: {name: "${{ steps.sub.outputs.name }}!"}, if: steps.sub.changed}
  - {id: after, uses: shelf.put, with: {name: "${{ steps.again.outputs?.name ?? '' }}-${{ steps.sub.outputs.count }}"}}
-- sub.yaml --
inputs: {name: {type: string}, more: {type: list, default: [m]}}
vars: {long: "${{ inputs.name }}-${{ inputs.more[0] }}"}
steps:
  - {id: take, uses: shelf.put, with: {name: "${{ vars.long }}"}}
  - {id: look, uses: shelf.list}
outputs: {name: "${{ steps.take.outputs.name }}", count: "${{ steps.look.outputs.count }}", plain: [1, {a: b}]}
`
	s := &shelf{}
	p := program(t, text, s)
	r := execute(t, context.Background(), p, s, ModeRun)
	want := "take changed +outer\nsub/take changed +x1-m\nsub/look ok\nsub changed\nagain/take changed +x1-m!-m\nagain/look ok\nagain changed\nafter changed +x1-m!-m-2\n"
	if got := outline(r, ModeRun); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if got := string(r.Steps[3].Outputs); got != `{"count":2,"name":"x1-m","plain":[1,{"a":"b"}]}` || r.Steps[3].Step.Playbook != "sub" {
		t.Errorf("%s %+v", got, r.Steps[3].Step)
	}
	// Of what it gives only that is unknown before which is.
	s = &shelf{}
	r = execute(t, context.Background(), program(t, strings.Replace(text, "${{ steps.take.outputs.number }}", "", 1), s), s, ModePreview)
	want = "take changed +outer\nsub/take changed +x-m\nsub/look ok\nsub changed\nagain/take changed +x-m!-m\nagain/look ok\nagain changed\nafter changed +x-m!-m-2\n"
	if got := outline(r, ModePreview); got != want {
		t.Errorf("preview:\n%swant:\n%s", got, want)
	}
	s = &shelf{}
	r = execute(t, context.Background(), program(t, text, s), s, ModePreview)
	want = "take changed +outer\nsub/take ok?\nsub/look ok?\nsub ok?\nagain/take ok?\nagain/look ok?\nagain ok?\nafter ok?\n"
	if got := outline(r, ModePreview); got != want {
		t.Errorf("preview with an unknown input:\n%swant:\n%s", got, want)
	}
}

func TestFailureInACall(t *testing.T) {
	const text = `
steps:
  - id: guarded
    block:
      - {id: sub, playbook: sub.yaml, with: {name: bad}}
      - {id: behind, uses: shelf.put, with: {name: behind}}
    rescue:
      - {id: told, uses: shelf.put, with: {name: "told-${{ error.step }}-${{ error.status }}"}}
      - {id: calm, playbook: calm.yaml}
  - {id: lax, playbook: sub.yaml, with: {name: bad}, continue_on_error: true}
  - {id: end, uses: shelf.put, with: {name: "end-${{ steps.lax.status }}-${{ steps.lax.outputs?.name ?? 'none' }}"}}
-- sub.yaml --
inputs: {name: {type: string}}
steps:
  - {id: take, uses: shelf.put, with: {name: "${{ inputs.name }}"}}
  - {id: never, uses: shelf.put, with: {name: never}}
on_failure:
  - {id: why, uses: shelf.put, with: {name: "why-${{ error.step }}"}}
always:
  - {id: tidy, uses: shelf.list}
outputs: {name: "${{ steps.take.outputs.name }}"}
-- calm.yaml --
steps:
  - {id: well, if: success(), uses: shelf.put, with: {name: well}}
`
	s := &shelf{hook: failing("apply put bad")}
	r := execute(t, context.Background(), program(t, text, s), s, ModeRun)
	want := "sub/take failed\nsub/never unreached\nsub/why changed +why-take\nsub/tidy ok\nsub failed\nbehind unreached\n" +
		"told changed +told-sub/take-failed\ncalm/well changed +well\ncalm changed\nguarded rescued\n" +
		"lax/take failed\nlax/never unreached\nlax/why ok\nlax/tidy ok\nlax failed\nend changed +end-failed-none\n"
	if got := outline(r, ModeRun); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if r.Finished.Status != Succeeded {
		t.Errorf("%+v", r.Finished)
	}
	// What is only there for a failure is listed, and is not part of the count.
	s = &shelf{}
	r = execute(t, context.Background(), program(t, text, s), s, ModePreview)
	want = "sub/take changed +bad\nsub/never changed +never\nsub/why unreached?\nsub/tidy ok\nsub changed\nbehind changed +behind\n" +
		"told unreached?\ncalm unreached?\ncalm/well unreached?\nguarded changed\nlax/take ok\nlax/never ok\nlax/why unreached?\nlax/tidy ok\nlax ok\nend changed +end-ok-bad\n"
	if got := outline(r, ModePreview); got != want {
		t.Errorf("preview:\n%swant:\n%s", got, want)
	}
}

// What does not fit the declaration of an input is found when it is known, and fails the step before anything in it runs.
func TestInputsOfACall(t *testing.T) {
	const text = `
inputs: {given: {type: string, default: GIVEN}, unset: {type: int, optional: true}, when: {type: timestamp, default: 2026-01-31}}
steps:
  - {id: sub, playbook: sub.yaml, with: {name: "${{ inputs.given }}", n: "${{ inputs.unset }}", at: "${{ inputs.when }}", all: {a: "${{ len(inputs.given) }}"}}}
always:
  - {id: last, uses: shelf.put, with: {name: "last-${{ error?.message ?? 'well' }}"}}
-- sub.yaml --
inputs:
  name: {type: string, pattern: "[a-z]+", max: 5}
  n: {type: int, default: 7, max: 9}
  at: {type: timestamp, min: 2026-01-01}
  all: {type: map, items: int, default: {}}
steps:
  - {id: take, uses: shelf.put, with: {name: "${{ inputs.name }}-${{ inputs.n }}-${{ inputs.all['a'] ?? 0 }}-${{ inputs.at }}"}}
`
	for given, want := range map[string]string{
		"ok":     "sub/take changed +ok-7-2-2026-01-31T00:00:00Z\nsub changed\nlast changed +last-well\n",
		"Upper":  "sub failed\nsub/take unreached\nlast changed +last-with.name: \"Upper\" does not match the pattern [a-z]+\n",
		"longer": "sub failed\nsub/take unreached\nlast changed +last-with.name: the length, 6, is above the maximum 5\n",
	} {
		s := &shelf{}
		r := execute(t, context.Background(), program(t, strings.Replace(text, "GIVEN", given, 1), s), s, ModeRun)
		if got := outline(r, ModeRun); got != want {
			t.Errorf("%s:\n%swant:\n%s", given, got, want)
		}
		if (r.Finished.Status == Succeeded) != (given == "ok") {
			t.Errorf("%s: %+v", given, r.Finished)
		}
	}
}

// A call is stopped as a block is.
func TestCancelInsideACall(t *testing.T) {
	const text = `
steps:
  - {id: sub, playbook: sub.yaml}
  - {id: after, uses: shelf.put, with: {name: after}}
-- sub.yaml --
steps:
  - {id: one, uses: shelf.put, with: {name: one}}
  - {id: two, uses: shelf.put, with: {name: two}}
on_failure: [{id: why, uses: shelf.put, with: {name: why}}]
always: [{id: tidy, uses: shelf.put, with: {name: tidy}}]
`
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &shelf{hook: func(call string) error {
		if call == "apply put one" {
			cancel()
		}
		return nil
	}}
	r := execute(t, ctx, program(t, text, s), s, ModeRun)
	if got, want := outline(r, ModeRun), "sub/one changed +one\nsub/two unreached\nsub/why unreached\nsub/tidy changed +tidy\nsub cancelled\nafter unreached\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if r.Finished.Status != RunCancelled {
		t.Errorf("%+v", r.Finished)
	}
}

// Steps of called playbooks are steps of the program.
func TestStepsOfCalls(t *testing.T) {
	p := program(t, "steps: [{id: a, playbook: s.yaml}, {id: b, playbook: s.yaml}]\n-- s.yaml --\nsteps: [{uses: shelf.list}]\nalways: [{id: x, uses: shelf.list}]\n", &shelf{})
	var ids []string
	for _, s := range p.AllSteps() {
		ids = append(ids, s.ID)
	}
	if got := strings.Join(ids, " "); got != "a a/shelf_list a/x b b/shelf_list b/x" {
		t.Error(got)
	}
	if got := check.Plugins(p.Playbook); len(got) != 1 || got[0] != "shelf" {
		t.Error(got)
	}
}
