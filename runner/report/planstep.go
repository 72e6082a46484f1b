package report

import (
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// step puts a step of a plan: its heading, what it would do, and what there is to say about it. A step with items has
// the heading only; the items follow it, indented.
func (r *plan) step(p *page, s recordedStep, names int, hasItems bool) {
	res := s.result
	indent := 4 * res.Step.Depth
	if s.key.item >= 0 {
		indent += 4
	}
	p.put(r.heading(res, indent, names, hasItems))
	inner := indent + 4
	if res.Conditional != "" && !isOnFailure(res) {
		why := r.clean(res.Conditional)
		if !strings.Contains(why, "decided at run") {
			why = "decided at run: " + why
		}
		p.wrap(line{}.pad(inner).add(yellow, "? "), yellow, why)
	}
	if text := r.presumed(res); text != "" && !hasItems {
		p.wrap(line{}.pad(inner).add(dim, "~ "), dim, text)
	}
	if !hasItems {
		r.changes(p, res.Planned.Changes, listing{indent: inner, careful: true, unsure: res.Conditional != ""})
		r.kept(p, inner, res.Planned.Kept)
		if r.Verbose {
			r.allOutputs(p, inner, res)
		}
	}
	for _, d := range res.Diagnostics {
		if hasItems && r.saidByItem(s.key, d) {
			continue
		}
		r.diagnostic(p, inner, d)
	}
}

// presumed says as if which steps a step is predicted. It is said where it is new, and under Verbose of each step.
func (r *plan) presumed(res engine.StepResult) string {
	if len(res.Presumes) == 0 || len(res.Presumes) <= r.presumes && !r.Verbose {
		return ""
	}
	r.presumes = max(r.presumes, len(res.Presumes))
	names := make([]string, len(res.Presumes))
	for i, id := range res.Presumes {
		names[i] = r.clean(id)
	}
	text := "step " + names[0]
	if n := len(names); n > 1 {
		text = "steps " + strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return "predicted as if " + text + " changed nothing"
}

// heading is "✓ take    Snapshot 4 subvolumes  btrfs.snapshot  +4".
func (r *plan) heading(res engine.StepResult, indent, names int, hasItems bool) line {
	sign := planSign(res)
	l := line{}.pad(indent).add(sign.style, sign.text+" ")
	uses, title := r.clean(res.Step.Uses), r.stepTitle(res.Step)
	if res.Step.Item != nil {
		label := r.clean(res.Step.Label)
		if label == "" {
			label = fmt.Sprintf("item %d", *res.Step.Item)
		}
		l = l.add(bold, label)
		if uses = ""; res.Step.Title == r.sharedTitle(keyOf(res.Step).whole(), res.Step.ID) || title == r.clean(res.Step.Uses) {
			title = ""
		}
	} else {
		l = l.add(bold, cutMiddle(r.stepName(res.Step), r.nameRoom())).pad(indent + 2 + names)
	}
	if title != "" && title != uses {
		l = l.add(plain, "  ").add(plain, title)
	}
	if called := res.Step.Playbook; called != "" {
		uses = "playbook " + r.clean(called)
	}
	if uses != "" {
		l = l.add(plain, "  ").add(dim, uses)
	}
	switch c := countChanges(res.Planned.Changes); {
	case res.Resumed != "" && !res.Status.Bad():
		l = l.add(plain, "  ").add(dim, r.already(res))
	case (res.Status == engine.Skipped || res.Status == engine.Unreached) && !isOnFailure(res):
		text := statusText(res.Status)
		if res.Why != "" {
			text += ": " + r.clean(res.Why)
		}
		l = l.add(plain, "  ").add(dim, text)
	case isOnFailure(res) && res.Step.Section != engine.SectionOnFailure && res.Conditional != "":
		l = l.add(plain, "  ").add(dim, r.clean(res.Conditional)) // its section does not say so
	case res.Status.Bad():
		l = l.add(plain, "  ").add(loud, statusText(res.Status))
	case len(res.Planned.Changes) > 0:
		l = append(l.add(plain, "  "), c.signs()...)
		if res.Summary != "" {
			l = l.add(plain, "  ").add(dim, r.clean(res.Summary))
		}
	case res.Conditional != "" || hasItems || isOnFailure(res) || res.Step.Uses == "":
	case res.Summary != "": // what there is, or why there is nothing to change
		l = l.add(plain, "  ").add(dim, r.clean(res.Summary))
	case res.Step.Effect != "read":
		l = l.add(plain, "  ").add(dim, "nothing to change")
	}
	return l
}

func (r *plan) nameRoom() int {
	if w := r.columns(); w > 0 {
		return max(w/2, 8)
	}
	return 0
}

// isOnFailure reports whether a step is planned for the case of a failure only.
func isOnFailure(res engine.StepResult) bool {
	return res.Idle && !res.Status.Bad() && len(res.Diagnostics) == 0
}

// planSign is the sign of a step: what it would do, or how planning it ended.
func planSign(res engine.StepResult) span {
	switch {
	case isOnFailure(res):
		return span{dim, "·"}
	case res.Resumed != "" && !res.Status.Bad():
		return span{dim, "✓"}
	case res.Status != engine.OK && res.Status != engine.Changed:
		return statusSign(res.Status)
	case res.Conditional != "":
		return span{yellow, "?"}
	case res.Status == engine.Changed || len(res.Planned.Changes) > 0:
		return span{blue, "●"}
	}
	return span{green, "✓"}
}

// kept puts how many things a step leaves alone; each with its reason under Verbose.
func (r *plan) kept(p *page, indent int, all []sdk.Kept) {
	if len(all) == 0 {
		return
	}
	if !r.Verbose {
		p.put(line{}.pad(indent).add(dim, fmt.Sprintf("= %d kept", len(all))))
		return
	}
	width := 0
	for _, k := range all {
		width = max(width, textWidth(r.clean(k.Resource.Name)))
	}
	width = min(width, nameLimit(p.width-indent-2, p.width, true))
	for _, k := range all {
		name := r.clean(k.Resource.Name)
		if p.width > 0 {
			name = cutMiddle(name, width)
		}
		l := line{}.pad(indent).add(dim, "= "+name)
		if k.Reason != "" {
			l = l.pad(indent+2+width).add(dim, "  # "+r.clean(k.Reason))
		}
		p.put(l)
	}
}

// saidByItem reports whether an item of the step has the same to say.
func (r *plan) saidByItem(key stepKey, d sdk.Diagnostic) bool {
	for _, s := range r.steps {
		if s.key.item < 0 || s.key.whole() != key {
			continue
		}
		for _, other := range s.result.Diagnostics {
			if other == d {
				return true
			}
		}
	}
	return false
}
