package playbook

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// steps reads a key that holds a list of steps.
func (o *object) steps(key string) []Step {
	items, ok := o.items(key, fmt.Sprintf("%q is a list of steps", key))
	if !ok {
		return nil
	}
	steps := make([]Step, 0, len(items))
	for i, item := range items {
		if step, ok := o.step(item, fmt.Sprintf("%s[%d]", key, i)); ok {
			steps = append(steps, step)
		}
	}
	return steps
}

func (w *walker) step(v Value, path string) (step Step, ok bool) {
	o, ok := w.object(v, "a step", path, stepKeys)
	if !ok {
		return Step{}, false
	}
	o.require("uses")
	step = Step{Pos: o.Pos, Path: path}
	if s, given := o.scalar("id"); given {
		step.ID, step.IDPos = s.Text, s.Pos
		if !identifier.MatchString(s.Text) {
			w.report(diagnostic.Diagnostic{
				Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadID, Path: o.at("id"),
				Message:    fmt.Sprintf("%q cannot be an id: it starts with a-z or _ and goes on with a-z, 0-9 and _", shorten(s.Text)),
				Suggestion: writeInstead(s.Text, '_', identifier),
			})
		}
	}
	step.Name = o.expression("name")
	step.If = o.expression("if")
	if each, given := o.value("for_each"); given {
		step.ForEach = each
	}
	step.Uses = o.uses()
	if with, given := o.value("with"); given {
		step.With, ok = with.(Map)
		if !ok {
			w.wrongType(with, o.at("with"), `"with" is a map of the action's inputs`, nil)
		}
	}
	step.Timeout = o.duration("timeout")
	step.ContinueOnError = o.bool("continue_on_error")
	return step, true
}

// expression is the text of a key that is, or may hold, an expression; nil if there is none.
func (o *object) expression(key string) *Scalar {
	s, ok := o.scalar(key)
	if !ok {
		return nil
	}
	if strings.TrimSpace(s.Text) == "" {
		o.badValue(s, key, fmt.Sprintf("%q is empty", key), "", nil)
		return nil
	}
	return &s
}

func (o *object) uses() Uses {
	s, ok := o.scalar("uses")
	if !ok {
		return Uses{}
	}
	parts := usesForm.FindStringSubmatch(s.Text)
	if parts == nil {
		d := diagnostic.Diagnostic{
			Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadUses, Path: o.at("uses"),
			Message:    fmt.Sprintf(`"uses" is PLUGIN.ACTION; found %q`, shorten(s.Text)),
			Suggestion: `write it like "btrfs.snapshot"`,
		}
		if fixed := strings.ToLower(strings.NewReplacer("/", ".", ":", ".", " ", "").Replace(s.Text)); usesForm.MatchString(fixed) {
			d.Suggestion = fmt.Sprintf("did you mean %q?", fixed)
		}
		if strings.Contains(s.Text, "${{") {
			d.Suggestion = "an action cannot be an expression; write one step for each and choose with \"if\""
		}
		o.report(d)
		return Uses{Pos: s.Pos}
	}
	return Uses{
		Plugin: parts[1], Action: parts[2],
		Pos: s.At(0), ActionPos: s.At(utf8.RuneCountInString(parts[1]) + 1),
	}
}

// identify reports ids that stand twice and gives every step without an id one that is made from its action and free:
// btrfs_snapshot, btrfs_snapshot_2, … in the order of the file.
func (w *walker) identify(p *Playbook) {
	taken := make(map[string]diagnostic.Position)
	for _, step := range p.AllSteps() {
		if step.HasGeneratedID() {
			continue
		}
		if first, twice := taken[step.ID]; twice {
			w.report(diagnostic.Diagnostic{
				Pos: step.IDPos, Length: utf8.RuneCountInString(step.ID), Code: diagnostic.DuplicateID, Path: step.Path + ".id",
				Message: fmt.Sprintf("the id %q stands twice; the first is in line %d", shorten(step.ID), first.Line),
			})
			continue
		}
		taken[step.ID] = step.IDPos
	}
	last := make(map[string]int)
	for _, step := range p.AllSteps() {
		if !step.HasGeneratedID() {
			continue
		}
		base := "step"
		if step.Uses.Plugin != "" {
			base = strings.NewReplacer(".", "_", "-", "_").Replace(step.Uses.String())
		}
		for {
			last[base]++
			step.ID = base
			if last[base] > 1 {
				step.ID = fmt.Sprintf("%s_%d", base, last[base])
			}
			if _, used := taken[step.ID]; !used {
				break
			}
		}
		taken[step.ID] = step.Pos
	}
}
