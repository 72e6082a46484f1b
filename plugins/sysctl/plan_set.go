package sysctl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// setPrivate is what Apply does.
type setPrivate struct {
	Writes []write
	Kept   []value // must still be so
	Path   string  // of the drop-in; "": none
	Before content
	After  string
	Change int // the file's; -1: it is right already
	Output SetOutput
}

// write sets a key.
type write struct {
	value
	To     string
	Change int // -1: none, it ends as it was
	Sides  []side
}

// value is a key and what it was.
type value struct {
	Path, From string
}

// side is a key that changes because another one is set.
type side struct {
	value
	To     string
	Change int // -1: none, a later write sets it
}

type setPlan = sdk.Planned[SetOutput, setPrivate]

// setFacts is what the decision rests on.
type setFacts struct {
	Values map[string]string `json:"values"`
	File   *content          `json:"file,omitempty"`
}

func planSet(wishes []wish, o observed, running bool) (setPlan, error) {
	p := setPlan{Outputs: SetOutput{Values: map[string]string{}, Previous: map[string]string{}, File: o.path}}
	p.Private.Change = -1
	p.Diagnostics = o.warnings
	wishes, err := possible(wishes, o, running, &p)
	if err != nil {
		return p, err
	}
	state := map[string]string{}
	for path, s := range o.settings {
		if s.missing == nil && s.unread == nil {
			state[path] = s.value
		}
	}
	facts := setFacts{Values: map[string]string{}}
	for _, w := range wishes {
		if from, ok := state[w.path]; ok {
			facts.Values[w.name()], p.Outputs.Previous[w.name()] = from, from
		}
	}
	if running {
		if err := setAll(wishes, state, o, &p, facts.Values); err != nil {
			return p, err
		}
	}
	for _, w := range wishes {
		if is, ok := state[w.path]; ok {
			p.Outputs.Values[w.name()] = is
		}
	}
	if o.path != "" {
		facts.File = &o.file
		planFile(wishes, o, &p)
	}
	p.Diagnostics = append(p.Diagnostics, dirtyOrder(wishes, state, running)...)
	p.Facts, p.Private.Output = facts, p.Outputs
	return p, nil
}

// possible leaves the wishes that can be fulfilled, and says what is wrong with the others.
func possible(wishes []wish, o observed, running bool, p *setPlan) ([]wish, error) {
	var errs []error
	var left []wish
	wanted := map[string]string{}
	for _, w := range wishes {
		wanted[w.path] = w.value
	}
	for _, w := range wishes {
		s := o.settings[w.path]
		if bad := judge(w, s, wanted); bad != nil {
			errs = append(errs, bad)
			continue
		}
		var hindrance *sdk.Error
		switch {
		case s.missing != nil:
			hindrance = s.missing
		case s.unread != nil:
			hindrance = s.unread
		case running && s.readOnly != nil && !same(w.path, s.value, w.value):
			hindrance = s.readOnly
		}
		switch {
		case hindrance == nil:
		case w.optional && !isPattern(w.path):
			p.Diagnostics = append(p.Diagnostics, sdk.Diagnostic{Severity: sdk.SeverityWarning, Path: w.at, Summary: hindrance.Error(), Advice: hindrance.Advice})
			if o.path == "" {
				continue
			}
			w.unset = true
		default:
			errs = append(errs, hindrance)
			continue
		}
		left = append(left, w)
	}
	return left, errors.Join(errs...)
}

// judge says what is wrong with a value whatever the machine.
func judge(w wish, s setting, wanted map[string]string) error {
	other := partner(w.path)
	if isAmount(w.path) && w.value == "0" {
		ratio, given := wanted[other]
		if given && ratio != "0" || !given && s.value == "0" {
			return nil
		}
		e := sdk.InvalidInput(w.at, "%q can't be set to 0: that only says that %q counts", w.name(), nameOf(other))
		e.Advice = "set " + nameOf(other) + ", which makes it 0"
		return e
	}
	if v, given := wanted[other]; given && other != "" && v != "0" && w.value != "0" && isAmount(w.path) {
		e := sdk.InvalidInput(w.at, "%q and %q exclude each other: setting one makes the other one 0", nameOf(other), w.name())
		e.Advice = "give one of them"
		return e
	}
	for _, set := range slices.Sorted(maps.Keys(wanted)) {
		value := wanted[set]
		if to, ok := spreadTo(set, value, w.path); ok && spreadPatterns(w.path) != nil && !same(w.path, to, w.value) {
			return sdk.InvalidInput(w.at, "%q and %q are set together by the kernel, to the same value", nameOf(set), w.name())
		}
	}
	if r := ruleOf(w.path); r != nil {
		if bad := r.check(w.value); bad != "" {
			e := sdk.InvalidInput(w.at, "%s %s", w.name(), bad)
			e.Advice = advice(w, other)
			return e
		}
		return nil
	}
	if s.missing == nil && s.unread == nil && numbers(strings.Fields(s.value)) {
		for _, f := range strings.Fields(w.value) {
			if otherBase(f) {
				return sdk.InvalidInput(w.at, "%q: write %s in decimal, without zeros in front: the kernel would read it as octal or hexadecimal", w.name(), f)
			}
		}
	}
	return nil
}

func advice(w wish, other string) string {
	var all []string
	if other != "" && !isAmount(w.path) {
		all = append(all, fmt.Sprintf("an amount is given with %s", nameOf(other)))
	}
	if strings.HasSuffix(w.path, "bytes") && strings.ContainsAny(w.value, "BKMGkb") {
		all = append(all, fmt.Sprintf("a size is written ${{ size(%q) }}", w.value))
	}
	if b := book(w.path); b != "" {
		all = append(all, "see "+b+" of the kernel")
	}
	return strings.Join(all, "; ")
}

// setAll walks through the wishes and makes state what the kernel would have after each. Changes are told from what was to
// what is in the end, whatever the kernel does between.
func setAll(wishes []wish, state map[string]string, o observed, p *setPlan, facts map[string]string) error {
	before := maps.Clone(state)
	var writes []write
	for _, w := range wishes {
		if w.unset {
			continue
		}
		if isAmount(w.path) && w.value == "0" { // another wish, or nobody, sees to that
			continue
		}
		if same(w.path, state[w.path], w.value) {
			continue
		}
		if s := o.settings[w.path]; s.readOnly != nil { // an earlier one makes it differ
			return s.readOnly
		}
		one := write{value: value{w.path, before[w.path]}, To: w.value, Change: -1}
		state[w.path] = w.value
		for _, path := range slices.Sorted(maps.Keys(state)) {
			to, ok := spreadTo(w.path, w.value, path)
			if path == partner(w.path) {
				to, ok = "0", true
			}
			if ok { // also what is so already: setting the key back would change it
				one.Sides = append(one.Sides, side{value: value{path, before[path]}, To: to, Change: -1})
				state[path] = to
			}
		}
		writes = append(writes, one)
	}
	told := map[string]bool{}
	tell := func(path, reason string) int {
		if told[path] || same(path, before[path], state[path]) {
			return -1
		}
		told[path] = true
		name := nameOf(path)
		facts[name] = before[path]
		p.Changes = append(p.Changes, sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Type: keyType, Name: name}, Reason: reason,
			Before: object(keyState{before[path]}), After: object(keyState{state[path]})})
		return len(p.Changes) - 1
	}
	for i := range writes {
		w := &writes[i]
		w.Change = tell(w.Path, "")
		for j := range w.Sides {
			s := &w.Sides[j]
			if wished(wishes, s.Path) && !(isAmount(s.Path) && s.To == "0") && s.To != state[s.Path] {
				continue // its own write tells it
			}
			s.Change = tell(s.Path, fmt.Sprintf("setting %s sets it too", nameOf(w.Path)))
		}
		if oneWay(w.Path, w.To) {
			p.Diagnostics = append(p.Diagnostics, sdk.Diagnostic{Severity: sdk.SeverityWarning, Path: atOf(wishes, w.Path),
				Summary: fmt.Sprintf("%s can't be set back from %s before the next boot", nameOf(w.Path), w.To)})
		}
	}
	changed := map[string]bool{}
	for _, w := range writes {
		changed[w.Path] = true
		for _, s := range w.Sides {
			changed[s.Path] = true
		}
	}
	for _, w := range wishes {
		if w.unset || told[w.path] {
			continue
		}
		if !changed[w.path] {
			p.Private.Kept = append(p.Private.Kept, value{w.path, state[w.path]})
		}
		if same(w.path, before[w.path], w.value) {
			p.Kept = append(p.Kept, sdk.Kept{Resource: sdk.Resource{Type: keyType, Name: w.name()}, Reason: "is " + shown(state[w.path]) + " already"})
		}
	}
	p.Private.Writes = writes
	return nil
}

func wished(wishes []wish, path string) bool { return atOf(wishes, path) != "" }

func atOf(wishes []wish, path string) string {
	for _, w := range wishes {
		if w.path == path {
			return w.at
		}
	}
	return ""
}

func shown(value string) string {
	if value == "" {
		return "empty"
	}
	return value
}

// planFile decides about the drop-in.
func planFile(wishes []wish, o observed, p *setPlan) {
	var lines []line
	for _, w := range wishes {
		if isAmount(w.path) && w.value == "0" { // systemd-sysctl could not set it
			continue
		}
		lines = append(lines, line{key: w.path, value: w.value, optional: w.optional})
	}
	p.Private.Path, p.Private.Before, p.Private.After = o.path, o.file, format(lines)
	resource := sdk.Resource{Type: fileType, Name: o.path}
	order, hidden := applied(o.others, o.path)
	if p.Private.After == o.file.Text && o.file.There {
		p.Kept = append(p.Kept, sdk.Kept{Resource: resource, Reason: "has these values already"})
	} else {
		c := sdk.Change{Kind: sdk.Create, Resource: resource, Summary: "at each boot " + assignments(lines), After: object(attributes(lines))}
		if o.file.There {
			c.Kind, c.Summary, c.Before = sdk.Update, "", object(attributes(parse(o.file.Text))) // the attributes tell what differs
		}
		p.Private.Change = len(p.Changes)
		p.Changes = append(p.Changes, c)
	}
	for _, path := range hidden {
		p.Diagnostics = append(p.Diagnostics, sdk.Diagnostic{Severity: sdk.SeverityWarning, Path: "/drop_in",
			Summary: fmt.Sprintf("%s is not read any more while there is a file of the same name in %s", path, o.path[:strings.LastIndexByte(o.path, '/')]), Advice: "take another name"})
	}
	for _, c := range conflicts(order, o.path, lines) {
		d := sdk.Diagnostic{Severity: sdk.SeverityWarning, Path: atOf(wishes, c.key), Advice: "take a drop_in that sorts behind it, or take the key out of that file",
			Summary: fmt.Sprintf("at the next boot %s sets %s to %s, because it is read later", c.file, nameOf(c.by.key), shown(c.by.value))}
		if c.by.key != c.key {
			d.Summary += fmt.Sprintf(", which makes %s 0", nameOf(c.key))
		}
		p.Diagnostics = append(p.Diagnostics, d)
	}
}

// linesOf makes lines of the attributes of a file, in the order of format.
func linesOf(all map[string]string) []line {
	var lines []line
	for name, value := range all {
		k, err := parseKey(name)
		if err != nil {
			continue
		}
		lines = append(lines, line{key: k.path, value: value, optional: k.optional})
	}
	slices.SortFunc(lines, func(a, b line) int { return inOrder(a.key, b.key) })
	return lines
}

// dirtyOrder warns where the kernel would not do what the values say: a background limit that is not below the total one counts as half
// of that (domain_dirty_limits in mm/page-writeback.c).
func dirtyOrder(wishes []wish, state map[string]string, running bool) []sdk.Diagnostic {
	if !running { // what counts at the next boot is what the file says, as far as it says it
		state = maps.Clone(state)
		for _, w := range wishes {
			if p := partner(w.path); p != "" && w.value != "0" {
				state[w.path], state[p] = w.value, "0"
			}
		}
	}
	for _, both := range [][2]string{{"vm/dirty_background_ratio", "vm/dirty_ratio"}, {"vm/dirty_background_bytes", "vm/dirty_bytes"}} {
		background, total := amount(state[both[0]]), amount(state[both[1]])
		if !partners(wishes) || background <= 0 || total <= 0 || background < total {
			continue
		}
		at := atOf(wishes, both[0])
		if at == "" {
			at = atOf(wishes, both[1])
		}
		return []sdk.Diagnostic{{Severity: sdk.SeverityWarning, Path: at,
			Summary: fmt.Sprintf("%s is %d and so not below %s, which is %d: the kernel takes half of that for it", nameOf(both[0]), background, nameOf(both[1]), total),
			Advice:  fmt.Sprintf("set %s below %s", nameOf(both[0]), nameOf(both[1]))}}
	}
	return nil
}

func amount(value string) int64 {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
