package playbook

import (
	"fmt"
	"slices"
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
		if step, ok := o.step(item, fmt.Sprintf("%s[%d]", o.at(key), i)); ok {
			steps = append(steps, step)
		}
	}
	return steps
}

func (w *walker) step(v Value, path string) (step Step, ok bool) {
	what, legal := "a step", stepKeys
	isBlock, isCall := false, false
	if m, isMap := v.(Map); isMap {
		_, uses := m.Get("uses")
		if _, isBlock = m.Get("block"); isBlock {
			what, legal = "a block", blockKeys
		} else if _, isCall = m.Get("playbook"); isCall && !uses {
			what, legal = "a call of a playbook", callKeys
		} else if isCall = false; !uses {
			legal = append(slices.Clone(stepKeys), "block", "playbook")
		}
	}
	o, ok := w.object(v, what, path, legal)
	if !ok {
		return Step{}, false
	}
	step = Step{Pos: o.Pos, Path: path}
	switch {
	case isBlock:
		w.block(o, &step)
	case isCall:
		step.Call = o.call()
		step.With = o.with("the playbook's inputs")
	default:
		_, given := o.Get("uses")
		if !given && !slices.ContainsFunc(o.meant, func(key string) bool { return key == "uses" || key == "block" || key == "playbook" }) {
			w.report(diagnostic.Diagnostic{
				Pos: o.Pos, Length: 1, Code: diagnostic.MissingKey, Path: path,
				Message: `a step needs the key "uses", "block" if it is a block of steps, or "playbook" if it calls one`,
			})
		}
		w.action(o, &step)
	}
	if s, given := o.scalar("id"); given {
		step.ID, step.IDPos = s.Text, s.Pos
		if !identifier().MatchString(s.Text) {
			w.report(diagnostic.Diagnostic{
				Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadID, Path: o.at("id"),
				Message:    fmt.Sprintf("%q cannot be an id: it starts with a-z or _ and goes on with a-z, 0-9 and _", shorten(s.Text)),
				Suggestion: writeInstead(s.Text, '_', identifier()),
			})
		}
	}
	step.Name = o.expression("name")
	step.If = o.expression("if")
	step.Timeout = o.duration("timeout")
	step.ContinueOnError = o.bool("continue_on_error")
	return step, true
}

// action reads what only a step with an action has.
func (w *walker) action(o *object, step *Step) {
	if each, given := o.value("for_each"); given {
		step.ForEach = each
	}
	step.Uses = o.uses()
	step.With = o.with("the action's inputs")
	step.Retry = o.retry()
	if n, given := o.integer("max_parallel", 1, maxParallel); given {
		step.MaxParallel = n
		if step.ForEach == nil {
			s, _ := o.scalar("max_parallel")
			o.badValue(s, "max_parallel", `"max_parallel" is about the items of "for_each", which this step does not have`, "remove it", nil)
		}
	}
}

// with reads the inputs of an action or a playbook.
func (o *object) with(what string) Map {
	v, given := o.value("with")
	if !given {
		return Map{}
	}
	m, ok := v.(Map)
	if !ok {
		o.wrongType(v, o.at("with"), `"with" is a map of `+what, nil)
	}
	return m
}

// call reads the name of a playbook.
func (o *object) call() *Call {
	s, ok := o.scalar("playbook")
	if !ok {
		return nil
	}
	c := &Call{Name: s.Text, Pos: s.Pos, Width: s.Width()}
	switch {
	case strings.Contains(s.Text, "${{"):
		o.badValue(s, "playbook", "which playbook is called cannot be an expression", `write one step for each and choose with "if"`, nil)
		return nil
	case IsPath(s.Text):
	case !playbookName().MatchString(s.Text):
		o.badValue(s, "playbook", fmt.Sprintf("%q is neither the name of a playbook nor a path", shorten(s.Text)), "a path has a / in it or ends in .yaml", nil)
		return nil
	}
	return c
}

// IsPath reports whether the name of a playbook is a path, and not looked up.
func IsPath(name string) bool {
	return strings.Contains(name, "/") || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// block reads what only a block has.
func (w *walker) block(o *object, step *Step) {
	step.Block = o.steps("block")
	step.Rescue = o.steps("rescue")
	step.Always = o.steps("always")
	if e, _ := o.Get("block"); len(step.Block) == 0 {
		if list, isList := e.Value.(List); isList && len(list.Items) == 0 {
			w.report(diagnostic.Diagnostic{
				Pos: list.Pos, Length: 1, Code: diagnostic.NoSteps, Path: o.at("block"), Message: "a block needs at least one step",
			})
		}
	}
}

// Bounds of what a step may ask for.
const (
	maxParallel = 64
	maxAttempts = 100
)

func (o *object) retry() *Retry {
	v, given := o.value("retry")
	if !given {
		return nil
	}
	r, ok := o.object(v, "a retry", o.at("retry"), retryKeys)
	if !ok {
		return nil
	}
	r.require("attempts")
	retry := &Retry{Pos: r.Pos, Attempts: 2, Backoff: 1, Delay: r.duration("delay"), When: r.expression("when")}
	if n, given := r.integer("attempts", 2, maxAttempts); given {
		retry.Attempts = n
	}
	if f, ok := r.converted("backoff", NumberType).(float64); ok {
		retry.Backoff = f
		if f < 1 || f > 10 {
			s, _ := r.scalar("backoff")
			r.badValue(s, "backoff", fmt.Sprintf("the backoff %s is not between 1 and 10", shorten(s.Text)), "", nil)
		}
	}
	return retry
}

// integer is the value of a key that holds a whole number between two bounds.
func (o *object) integer(key string, lowest, highest int) (n int, given bool) {
	v, ok := o.converted(key, IntType).(int64)
	if !ok {
		return 0, false
	}
	if v < int64(lowest) || v > int64(highest) {
		s, _ := o.scalar(key)
		o.report(diagnostic.Diagnostic{
			Pos: s.Pos, Length: s.Width(), Code: diagnostic.NumberRange, Path: o.at(key),
			Message: fmt.Sprintf("%q is a whole number from %d to %d, found %s", key, lowest, highest, shorten(s.Text)),
		})
		return 0, false
	}
	return int(v), true
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
	parts := usesForm().FindStringSubmatch(s.Text)
	if parts == nil {
		d := diagnostic.Diagnostic{
			Pos: s.Pos, Length: s.Width(), Code: diagnostic.BadUses, Path: o.at("uses"),
			Message:    fmt.Sprintf(`"uses" is PLUGIN.ACTION; found %q`, shorten(s.Text)),
			Suggestion: `write it like "btrfs.snapshot"`,
		}
		if fixed := strings.ToLower(strings.NewReplacer("/", ".", ":", ".", " ", "").Replace(s.Text)); usesForm().MatchString(fixed) {
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
		if step.IsBlock() {
			base = "block"
		}
		if step.Call != nil {
			base = calledID(step.Call.Name)
		}
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

// calledID makes an id of the name or path of a playbook.
func calledID(name string) string {
	name = name[strings.LastIndex(name, "/")+1:]
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".yaml"), ".yml")
	id := strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToLower(name))
	if !identifier().MatchString(id) {
		return "playbook"
	}
	return id
}
