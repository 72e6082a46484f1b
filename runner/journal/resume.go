package journal

import "github.com/hbohlen/coppice/runner/engine"

// Past is what a run that goes on from this one need not do again. bootID is that of the machine now, see BootID. before
// are the runs that this one goes on from, the latest first: one that was killed tells only how far it came itself.
func (r *Record) Past(bootID string, before ...*Record) *engine.Past {
	p := &engine.Past{Run: r.Run, Origin: r.Run, Rebooted: r.BootID != bootID, Steps: map[string]engine.PastStep{},
		Items: map[string]map[int]engine.PastStep{}}
	if r.Origin != "" {
		p.Origin = r.Origin
	}
	addPast(p, r)
	for _, b := range before {
		p.Rebooted = p.Rebooted || b.BootID != bootID
		addPast(p, b)
	}
	return p
}

// addPast adds what a run has done that the runs after it, which are in p already, have not come to.
func addPast(p *engine.Past, r *Record) {
	for _, s := range r.Steps {
		done := s.past()
		if s.Step.Item == nil {
			later, known := p.Steps[s.Step.ID]
			p.Steps[s.Step.ID] = merge(done, later, known)
			continue
		}
		if p.Items[s.Step.ID] == nil {
			p.Items[s.Step.ID] = map[int]engine.PastStep{}
		}
		later, known := p.Items[s.Step.ID][*s.Step.Item]
		p.Items[s.Step.ID][*s.Step.Item] = merge(done, later, known)
	}
}

// merge is how a step ended in two runs together.
func merge(done, later engine.PastStep, known bool) engine.PastStep {
	if known && later.Status != engine.Unreached {
		later.Made += done.Made
		return later
	}
	return done
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
