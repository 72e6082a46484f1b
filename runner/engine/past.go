package engine

import (
	"encoding/json"
	"slices"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/sdk"
)

// Past is what an earlier run has done of the same playbook, with the same inputs, as of the same instant. What finished
// in it is not done again: it has the status and the outputs that it had then.
//
// Only the steps of the section `steps` count. on_failure and always deal with how a run ends, and each run has an end of
// its own. Inside a block that did not finish, its rescue and always are for this end of it just the same.
type Past struct {
	Run string // the earlier run's id
	// Origin is the first of the runs that went on from each other: what plugins and expressions know as the run, so that
	// names which come from it stay the same.
	Origin string
	// Rebooted says that the machine was started again since. A step that converges is then planned anew: what it found or
	// made may not have outlived that.
	Rebooted bool
	Steps    map[string]PastStep         // by the step's id; items are not in it
	Items    map[string]map[int]PastStep // by the step's id and the item's index
}

// PastStep is how a step, or one item of it, ended in an earlier run.
type PastStep struct {
	Status  Status
	Why     string // of one that was skipped, not reached or rescued
	Label   string // of an item
	Summary string
	Made    int // how many changes
	Outputs json.RawMessage
	// Lost says why the outputs are not those that the step had; "": they are.
	Lost string
}

// past is the one that ended well, and need not be done again. i is nil outside of a for_each.
func (w *walk) past(s Section, step *check.Step, i *item) (PastStep, bool) {
	if w.options.Past == nil || s != SectionSteps || w.anew[step] {
		return PastStep{}, false
	}
	done, ok := w.options.Past.Steps[step.ID]
	if i != nil {
		done, ok = w.options.Past.Items[step.ID][i.index]
		ok = ok && done.Label == label(*i) // else it loops over something else now
	}
	if done.Status != OK && done.Status != Changed && done.Status != Rescued {
		return PastStep{}, false // one that was skipped is asked again: the condition can be about how the run goes
	}
	lost := done.Lost != "" && w.program.ReadsOutputs(step.ID)
	return done, ok && !(lost && step.Action != nil && step.Action.Converges)
}

// plannedAnew finds the steps that finished and are planned anew all the same. Of these nothing is done twice: they converge.
func (w *walk) plannedAnew() map[*check.Step]bool {
	anew := map[*check.Step]bool{}
	p := w.options.Past
	if p == nil {
		return anew
	}
	// What a clean-up of the earlier run has changed, a step before it may have set up: the service that was stopped runs
	// again. So from the last step on.
	var stirred []string
	ending := w.program.Ending()
	for _, step := range slices.Backward(w.program.AllSteps()) {
		switch {
		case slices.Contains(ending, step):
			anew[step] = true
			if step.Action != nil && p.made(step) > 0 {
				stirred = append(stirred, step.Action.Touches...)
			}
		case step.Action != nil && step.Action.Converges:
			touched := slices.ContainsFunc(step.Action.Touches, func(t string) bool { return slices.Contains(stirred, t) || slices.Contains(stirred, sdk.Anything) })
			anew[step] = p.Rebooted || touched
		}
	}
	return anew
}

// made is how many changes a step has made, all its items together.
func (p *Past) made(step *check.Step) int {
	n := p.Steps[step.ID].Made
	for _, item := range p.Items[step.ID] {
		n += item.Made
	}
	return n
}

// recall is the result of a step that an earlier run has finished, and its outputs as expressions see them.
func (w *walk) recall(step *check.Step, ref StepRef, done PastStep, i *item) (StepResult, any) {
	r := StepResult{Step: ref, Status: done.Status, Why: done.Why, Summary: done.Summary, Outputs: done.Outputs, Lost: done.Lost,
		Resumed: w.options.Past.Run}
	w.title(step, &r.Step, i)
	if step.Action == nil {
		return r, nil
	}
	if done.Lost != "" {
		if w.program.ReadsOutputs(step.ID) {
			r.Status = Failed
			r.Diagnostics = sdk.Diagnose(&sdk.Error{Summary: "it finished in run " + w.options.Past.Run + ", but its outputs, which are needed now, are not in the record: " + done.Lost,
				Advice: "run the playbook anew"})
		}
		return r, nil
	}
	if len(done.Outputs) == 0 {
		return r, nil
	}
	outputs, err := w.decode(step, done.Outputs, nil)
	if err != nil {
		fail(&r, Failed, err)
	}
	return r, outputs
}

// recallBlock accounts for a block that an earlier run has finished, and for what is inside it, as it was then.
func (w *walk) recallBlock(s Section, step *check.Step, done PastStep) {
	r, _ := w.recall(step, w.ref(s, step), done, nil)
	var outputs any
	w.depth++
	w.inside(step, func() {
		w.within(&frame{root: step.Call != nil}, func() { // a failure in it was dealt with then
			for _, inner := range slices.Concat(step.Sections()...) {
				w.recallInner(s, inner)
			}
		})
		var err error
		if outputs, err = w.outputs(w.ctx, step, &r, true); err != nil {
			fail(&r, Failed, err)
		}
	})
	w.depth--
	w.end(step, r, outputs)
	w.broken(step, r)
}

func (w *walk) recallInner(s Section, step *check.Step) {
	past := w.options.Past
	ref := w.ref(s, step)
	if step.IsBlock() {
		w.recallBlock(s, step, past.Steps[step.ID])
		return
	}
	items := past.Items[step.ID]
	if len(items) == 0 {
		done, ok := past.Steps[step.ID]
		if !ok {
			done = PastStep{Status: Unreached}
		}
		r, outputs := w.recall(step, ref, done, nil)
		w.end(step, r, outputs)
		return
	}
	status := OK
	var all []any
	for i := range len(items) {
		done := items[i]
		at := item{index: i, key: i}
		r, outputs := w.recall(step, ref, done, nil)
		r.Step.Item, r.Step.Label = &at.index, done.Label
		w.publish(step, &r)
		w.record(step, r)
		if done.Status.Bad() && !status.Bad() || done.Status == Changed && status == OK {
			status = done.Status
		}
		all = append(all, outputs)
	}
	w.remember(step, status, all, "")
}
