package journal

import (
	"encoding/json"

	"github.com/hbohlen/coppice/runner/engine"
)

// StepDone is a step, or one item of it, that need not be done again.
type StepDone struct {
	Section engine.Section
	Status  engine.Status   // ok, changed or skipped; of a block also rescued
	Why     string          // it was skipped
	Label   string          // of an item: what it was called
	Outputs json.RawMessage // as they were recorded; nil: none, or lost
	// Lost says why the recorded outputs can't stand for those that the step had; "": they can.
	Lost string
}

// Finished are the steps of a run that finished with status ok, changed or skipped, and the blocks that finished with one
// of these or rescued, by their ids. What is inside a block is there by itself, block finished or not. A step with a for_each
// is among them only if the step as a whole was told to have finished; see FinishedItems.
func Finished(r *Record) map[string]StepDone {
	done := map[string]StepDone{}
	for _, s := range r.Steps {
		if d, ok := s.done(); ok && s.Step.Item == nil {
			done[s.Step.ID] = d
		}
	}
	return done
}

// FinishedItems are the items that finished with status ok, changed or skipped, by the step's id and the item's index.
func FinishedItems(r *Record) map[string]map[int]StepDone {
	done := map[string]map[int]StepDone{}
	for _, s := range r.Steps {
		d, ok := s.done()
		if !ok || s.Step.Item == nil {
			continue
		}
		if done[s.Step.ID] == nil {
			done[s.Step.ID] = map[int]StepDone{}
		}
		done[s.Step.ID][*s.Step.Item] = d
	}
	return done
}

func (s *Step) done() (StepDone, bool) {
	if s.Result == nil {
		return StepDone{}, false
	}
	switch s.Result.Status {
	case engine.OK, engine.Changed, engine.Skipped, engine.Rescued:
	default:
		return StepDone{}, false
	}
	d := StepDone{Section: s.Step.Section, Status: s.Result.Status, Why: s.Result.Why, Label: s.Step.Label,
		Outputs: s.Result.Outputs}
	switch {
	case s.Cut["outputs"] > 0:
		d.Lost = "they were too large to be recorded"
	case s.Masked:
		d.Lost = "a secret was in them"
	}
	if d.Lost != "" {
		d.Outputs = nil
	}
	return d, true
}
