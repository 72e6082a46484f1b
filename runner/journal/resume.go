package journal

import "github.com/hbohlen/coppice/runner/engine"

// Past is what a run that goes on from this one need not do again. bootID is that of the machine now, see BootID.
func (r *Record) Past(bootID string) *engine.Past {
	p := &engine.Past{Run: r.Run, Origin: r.Run, Rebooted: r.BootID != bootID, Steps: map[string]engine.PastStep{},
		Items: map[string]map[int]engine.PastStep{}}
	if r.Origin != "" {
		p.Origin = r.Origin
	}
	for _, s := range r.Steps {
		done := s.past()
		if s.Step.Item == nil {
			p.Steps[s.Step.ID] = done
			continue
		}
		if p.Items[s.Step.ID] == nil {
			p.Items[s.Step.ID] = map[int]engine.PastStep{}
		}
		p.Items[s.Step.ID][*s.Step.Item] = done
	}
	return p
}

// past is how the step ended; one that did not has no status.
func (s *Step) past() engine.PastStep {
	p := engine.PastStep{Label: s.Step.Label, Made: len(s.Made)}
	if s.Result == nil {
		return p
	}
	p.Status, p.Why, p.Summary, p.Outputs, p.Lost = s.Result.Status, s.Result.Why, s.Result.Summary, s.Result.Outputs, s.Result.Lost
	switch {
	case s.Cut["outputs"] > 0:
		p.Lost = "they were too large to be recorded"
	case s.Masked:
		p.Lost = "a secret was in them"
	}
	if p.Lost != "" {
		p.Outputs = nil
	}
	return p
}
