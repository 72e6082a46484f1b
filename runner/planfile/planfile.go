// Package planfile is a saved plan: what a preview has shown, bound to the
// machine, the playbook's text, the inputs, the plugins and the facts that each
// decision rests on, so that it can be executed later, just so, or be refused.
//
// It is pure: reading and writing files is the caller's business. No secret is
// in a plan file, only a salted HMAC by which the same secret is known again.
package planfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"time"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/playbook"
)

// Format and Version stand at the head of a plan file.
const (
	Format  = "coppice.planfile"
	Version = 1
)

// Valid is how long a plan can be applied after it was made.
const Valid = 24 * time.Hour

// File is a saved plan.
type File struct {
	Format   string    `json:"format"`
	Version  int       `json:"version"`
	Coppice  string    `json:"coppice"` // the version that made it
	Created  time.Time `json:"created"`
	Machine  string    `json:"machine"` // what identifies it: /etc/machine-id
	Host     string    `json:"host"`    // for people
	Instant  time.Time `json:"instant"` // of the plan, and so of the run
	File     string    `json:"file"`    // the playbook's, for messages
	Playbook string    `json:"playbook"`
	Called   []Called  `json:"called,omitempty"` // the playbooks that it calls, and that these call
	check.Saved
	Plugins map[string]string `json:"plugins"` // name → version
	Steps   []Step            `json:"steps"`
}

// Called is a playbook that another one calls.
type Called struct {
	From     string `json:"from"` // the file that calls it
	Name     string `json:"name"` // as it is called there
	File     string `json:"file"`
	Playbook string `json:"playbook"`
}

// Find returns a playbook that another one called when the plan was made.
func (f *File) Find(from *playbook.Playbook, name string) (playbook.Called, error) {
	for _, c := range f.Called {
		if c.From == from.File && c.Name == name {
			return playbook.Called{From: c.From, Name: c.Name, File: c.File, Data: []byte(c.Playbook)}, nil
		}
	}
	return playbook.Called{}, fmt.Errorf("the plan file does not have the playbook %q", name)
}

// Step is what was decided for a step, or an item of one.
type Step struct {
	ID          string          `json:"id"`
	Item        *int            `json:"item,omitempty"`
	Status      engine.Status   `json:"status"`
	Conditional string          `json:"conditional,omitempty"`
	Changes     []Change        `json:"changes,omitempty"`
	Fingerprint json.RawMessage `json:"fingerprint,omitempty"`
}

// Change is what identifies a change.
type Change struct {
	Kind     string `json:"kind"`
	Resource string `json:"resource"` // type, scope and name
	ID       string `json:"id,omitempty"`
}

func (c Change) String() string {
	if c.ID == "" {
		return c.Kind + " " + c.Resource
	}
	return c.Kind + " " + c.Resource + " (" + c.ID + ")"
}

// StepOf is the decision in a result.
func StepOf(r engine.StepResult) Step {
	s := Step{ID: r.Step.ID, Item: r.Step.Item, Status: r.Status, Conditional: r.Conditional, Fingerprint: r.Fingerprint}
	for _, c := range r.Planned.Changes {
		s.Changes = append(s.Changes, Change{Kind: string(c.Kind), Resource: c.Resource.Type + " " + c.Resource.Scope + " " + c.Resource.Name, ID: c.Resource.ID})
	}
	return s
}

// New makes a plan file of a preview that went well. salt is 32 random bytes.
func New(p *check.Program, data []byte, inputs map[string]any, plugins map[string]string, r *engine.Report, salt []byte) (*File, error) {
	saved, err := p.Save(inputs, salt)
	if err != nil {
		return nil, err
	}
	f := &File{Format: Format, Version: Version, Instant: r.Started.Instant, File: p.Playbook.File, Playbook: string(data),
		Saved: saved, Plugins: plugins}
	for _, c := range p.Playbook.Called {
		f.Called = append(f.Called, Called{From: c.From, Name: c.Name, File: c.File, Playbook: string(c.Data)})
	}
	for _, s := range r.Steps {
		f.Steps = append(f.Steps, StepOf(s))
	}
	return f, nil
}

// Encode writes a plan file.
func (f *File) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(f, "", "  ")
	return append(data, '\n'), err
}

// Decode reads what Encode wrote.
func Decode(data []byte) (*File, error) {
	var f File
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("not a plan file: %w", err)
	}
	switch {
	case f.Format != Format:
		return nil, errors.New("not a plan file: it is made by coppice plan --out")
	case f.Version != Version:
		return nil, fmt.Errorf("the plan file has version %d, this coppice knows %d", f.Version, Version)
	}
	return &f, nil
}

// Difference is where the machine has drifted from the plan.
type Difference struct {
	Step string `json:"step"`
	What string `json:"what"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Compare holds a step as it would go now against the plan. A step that was to be
// decided at run may do what it likes.
func Compare(saved, now Step) []Difference {
	if saved.Conditional != "" {
		return nil
	}
	name := saved.ID
	if saved.Item != nil {
		name = fmt.Sprintf("%s[%d]", name, *saved.Item)
	}
	var all []Difference
	differ := func(what, old, new string) {
		if old != new {
			all = append(all, Difference{name, what, old, new})
		}
	}
	for _, c := range saved.Changes {
		if !slices.ContainsFunc(now.Changes, c.becomes) {
			differ("a planned change would not be made", c.String(), "nothing")
		}
	}
	for _, c := range now.Changes {
		if !slices.ContainsFunc(saved.Changes, func(planned Change) bool { return planned.becomes(c) }) {
			differ("a change that was not planned", "nothing", c.String())
		}
	}
	if len(all) == 0 {
		differ("the outcome", string(saved.Status), string(now.Status))
	}
	if len(all) == 0 {
		old, new := firstDifference(saved.Fingerprint, now.Fingerprint)
		differ("the facts that the decision rests on", old, new)
	}
	return all
}

// CompareAll compares every step.
func CompareAll(saved, now []Step) []Difference {
	key := func(s Step) string {
		if s.Item != nil {
			return fmt.Sprintf("%s/%d", s.ID, *s.Item)
		}
		return s.ID
	}
	today := map[string]Step{}
	for _, s := range now {
		today[key(s)] = s
	}
	var all []Difference
	for _, s := range saved {
		n, ok := today[key(s)]
		if !ok {
			if s.Conditional == "" {
				all = append(all, Difference{key(s), "the step", "planned", "not there"})
			}
			continue
		}
		delete(today, key(s))
		all = append(all, Compare(s, n)...)
	}
	var more []string
	for k := range today {
		more = append(more, k)
	}
	sort.Strings(more)
	for _, k := range more {
		all = append(all, Difference{k, "the step", "not there", "planned"})
	}
	return all
}

// becomes reports whether a planned change can have become this one. What an earlier step was to make had no identity then,
// and has one now.
func (c Change) becomes(now Change) bool {
	return c.Kind == now.Kind && c.Resource == now.Resource && (c.ID == "" || c.ID == now.ID)
}

// firstDifference is the first place where two JSON values differ, with what
// stands there; two equal texts when they don't.
func firstDifference(saved, now json.RawMessage) (before, after string) {
	var a, b any
	if len(saved) > 0 && json.Unmarshal(saved, &a) != nil || len(now) > 0 && json.Unmarshal(now, &b) != nil {
		return cut(string(saved)), cut(string(now))
	}
	at, x, y := descend("", a, b)
	if at != "" {
		at += ": "
	}
	return at + print(x), at + print(y)
}

// descend follows two values to where they differ.
func descend(at string, a, b any) (string, any, any) {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			return at, a, b
		}
		var names []string
		for name := range x {
			names = append(names, name)
		}
		for name := range y {
			if _, both := x[name]; !both {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		for _, name := range names {
			if !reflect.DeepEqual(x[name], y[name]) {
				return descend(at+"/"+name, x[name], y[name])
			}
		}
	case []any:
		y, ok := b.([]any)
		if !ok {
			return at, a, b
		}
		for i := range max(len(x), len(y)) {
			if i >= len(x) || i >= len(y) {
				return fmt.Sprintf("%s has", at), fmt.Sprintf("%d items", len(x)), fmt.Sprintf("%d items", len(y))
			}
			if !reflect.DeepEqual(x[i], y[i]) {
				return descend(fmt.Sprintf("%s/%d", at, i), x[i], y[i])
			}
		}
	}
	return at, a, b
}

func print(v any) string {
	if text, ok := v.(string); ok {
		return cut(text)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return cut(string(data))
}

// cut shortens a text for a message.
func cut(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
