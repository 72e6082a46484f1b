package engine

import (
	"context"
	"fmt"
	"testing"
)

// A step that is there for optional inputs is skipped without them, in a section that is not reached too, and its result says for
// which: reports leave it out.
func TestUnsetInputs(t *testing.T) {
	const text = `
inputs:
  a: {type: string, optional: true}
  b: {type: string, optional: true}
  given: {type: string, default: x}
steps:
  - {id: wants_a, if: inputs.a != nil, uses: shelf.put, with: {name: a}}
  - {id: wants_one, if: "!cancelled() && (inputs.a != nil || inputs.b != nil)", uses: shelf.put, with: {name: a}}
  - {id: wants_y, if: inputs.given == 'y', uses: shelf.put, with: {name: a}}
  - {id: after, if: inputs.a != nil && steps.wants_a.status == 'ok', uses: shelf.put, with: {name: a}}
  - {id: without, if: inputs.a == nil, uses: shelf.put, with: {name: without}}
on_failure:
  - {id: tell_a, if: inputs.a != nil, uses: shelf.put, with: {name: a}}
  - {id: tell_all, uses: shelf.put, with: {name: a}}
always:
  - {id: last, if: inputs.b != nil, uses: shelf.put, with: {name: b}}
`
	want := map[string]string{
		"wants_a": "skipped [a]", "wants_one": "skipped [a b]", "wants_y": "skipped []", "after": "skipped []", "without": "changed []",
		"tell_a": "skipped [a]", "tell_all": "unreached []", "last": "skipped [b]",
	}
	for _, mode := range []Mode{ModePreview, ModeRun} {
		s := &shelf{}
		r := execute(t, context.Background(), program(t, text, s), s, mode)
		for _, step := range r.Steps {
			if got := fmt.Sprintf("%s %v", step.Status, step.Unset); got != want[step.Step.ID] {
				t.Errorf("%s: %s is %s, want %s", mode, step.Step.ID, got, want[step.Step.ID])
			}
		}
	}
}
