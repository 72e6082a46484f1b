package layout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// layoutPrivate is what Apply does: one item for each change, in the same order.
type layoutPrivate struct {
	Filesystem string
	Items      []layoutItem
	Output     Output
}

// layoutItem is a subvolume to make or to change.
type layoutItem struct {
	Path        string
	Create      bool
	UUID        kernel.UUID // of one that exists
	Store       bool        // set the two that follow
	Compression string
	NoCow       bool
	Limits      *limits // nil: as they are
	Mode        *uint32 // of one that is made
	UID, GID    *int
}

type layoutPlan = sdk.Planned[Output, layoutPrivate]

type layoutFacts struct {
	Filesystem string       `json:"filesystem"`
	Items      []layoutFact `json:"items"`
}

type layoutFact struct {
	Path        string  `json:"path"`
	Subvolume   string  `json:"subvolume,omitempty"`
	Compression string  `json:"compression,omitempty"`
	NoCow       bool    `json:"no_cow,omitempty"`
	Limits      *limits `json:"limits,omitempty"`
	Made        bool    `json:"made,omitempty"`
	Refused     bool    `json:"refused,omitempty"`
}

// layoutPlanner is the state of one planLayout.
type layoutPlanner struct {
	v       *subvolume.View
	o       observed
	strict  bool
	instant time.Time
	planned layoutPlan
	facts   layoutFacts
	errs    []error
	after   map[string]storage // of the subvolumes that this plan makes or changes
	kept    map[kept][]string  // names of those with files that keep something
}

func planLayout(v *subvolume.View, o observed, all []wanted, strict bool, instant time.Time) (layoutPlan, error) {
	p := &layoutPlanner{v: v, o: o, strict: strict, instant: instant, after: map[string]storage{}, kept: map[kept][]string{}}
	p.planned.Outputs = Output{Created: []string{}, Changed: []string{}, Unchanged: []string{}}
	p.facts.Filesystem = v.UUID()
	for _, w := range all {
		fact := layoutFact{Path: w.path}
		var err error
		if s, there := v.At(w.path); there {
			err = p.existing(w, s, &fact)
		} else {
			err = p.missing(w, &fact)
		}
		if err != nil {
			fact.Refused = true
			p.errs = append(p.errs, err)
		}
		p.facts.Items = append(p.facts.Items, fact)
	}
	if len(p.planned.Changes) == 0 && len(p.errs) > 0 {
		return layoutPlan{}, errors.Join(p.errs...)
	}
	for _, k := range []kept{keptCompression, keptNoCow} {
		if names := p.kept[k]; len(names) > 0 {
			p.planned.Diagnostics = append(p.planned.Diagnostics, warning("/subvolumes", k.advice(), "%s", k.words(names...)))
		}
	}
	for _, err := range p.errs {
		p.planned.Diagnostics = append(p.planned.Diagnostics, sdk.Diagnose(err)...)
	}
	if len(p.planned.Changes) > 0 {
		if err := v.Writable("no subvolume can be made or changed"); err != nil {
			return layoutPlan{}, err
		}
	}
	p.planned.Facts = p.facts
	p.planned.Private.Filesystem, p.planned.Private.Output = v.UUID(), p.planned.Outputs
	return p.planned, nil
}

// missing plans one that is to be made.
func (p *layoutPlanner) missing(w wanted, fact *layoutFact) error {
	if kind, other, err := p.v.Other(w.path); err == nil && other {
		inside := func(s subvolume.Known) bool { return volume.Inside(w.path, s.Path) }
		if kind == kernel.EntryDir && slices.ContainsFunc(p.v.All(), inside) {
			return p.folder(w)
		}
		return refuse(w.input+"/path", "move it away, run this again, and move what is in it into the new subvolume", "%q is a %v, not a subvolume", w.path, kind)
	}
	if err := p.v.Creatable(w.input+"/path", w.path); err != nil {
		return err
	}
	from := p.inherited(w.path)
	to, _ := w.settle(from)
	item := layoutItem{Path: w.path, Create: true, Store: to != from, Compression: to.compression, NoCow: to.noCow, Mode: w.mode, UID: w.uid, GID: w.gid}
	_, shape, words := shapes(from, to)
	if w.limited() {
		l := unlimited.with(w.maxReferenced, w.maxExclusive)
		if l != unlimited {
			if err := p.o.mayLimit(w.input, subvolume.Known{Planned: true, Subvolume: kernel.Subvolume{Path: w.path}}); err != nil {
				return err
			}
			item.Limits = &l
			_, limited, more := limitShapes(unlimited, l)
			shape.MaxReferenced, shape.MaxExclusive = limited.MaxReferenced, limited.MaxExclusive
			words = append(words, more...)
		}
	}
	if w.mode != nil {
		words = append(words, fmt.Sprintf("mode %04o", *w.mode))
	}
	fact.Made, fact.Compression, fact.NoCow, fact.Limits = true, to.compression, to.noCow, item.Limits
	p.change(sdk.Change{
		Kind: sdk.Create, Resource: p.v.Named(volume.ResourceType, w.path),
		Summary: strings.Join(append([]string{"empty subvolume"}, words...), ", "),
		After:   subvolume.AfterCreate(shape, p.instant),
	}, item)
	p.after[w.path] = to
	p.planned.Outputs.Created = append(p.planned.Outputs.Created, w.path)
	return nil
}

// folder leaves a directory with subvolumes in it alone. To make a subvolume in its place, they would have to be moved, and
// a read-only one can't be: the kernel refuses it, and it would be a snapshot that coppice has no record of.
func (p *layoutPlanner) folder(w wanted) error {
	words := fmt.Sprintf("%q is a directory with subvolumes in it, and stays one: snapshots can't be moved into a new subvolume", w.path)
	const advice = "take it out of the list, or give the new subvolume another path"
	if p.strict || w.noCow != nil || w.limited() || w.mode != nil || w.uid != nil || w.gid != nil {
		return refuse(w.input+"/path", advice, "%s", words)
	}
	p.planned.Diagnostics = append(p.planned.Diagnostics, warning(w.input+"/path", advice, "%s", words))
	p.planned.Outputs.Unchanged = append(p.planned.Outputs.Unchanged, w.path)
	return nil
}

// inherited is the storage of a subvolume that is made at a path, before anything is set.
func (p *layoutPlanner) inherited(path string) storage {
	around, _ := p.v.Around(volume.ParentOf(path))
	if s, planned := p.after[around.Path]; planned {
		return storage{compression: kernel.InheritedCompression(s.compression)}
	}
	if t := p.o.targets[around.Path]; t.found && t.unreadable == nil {
		return storage{compression: kernel.InheritedCompression(t.compression)}
	}
	return storage{compression: kernel.CompressionDefault}
}

// settle is wish.apply, but that no_cow takes a compression away that the list does not ask for.
func (w wish) settle(from storage) (to storage, conflict string) {
	if w.noCow != nil && *w.noCow && w.compression == "" {
		w.compression = kernel.CompressionDefault
	}
	return w.apply(from)
}

// existing plans what is to be changed of one that exists.
func (p *layoutPlanner) existing(w wanted, s subvolume.Known, fact *layoutFact) error {
	t := p.o.targets[w.path]
	if t.unreadable != nil {
		return volume.Explain(w.input+"/path", t.unreadable)
	}
	if !t.found { // it came between two looks
		return volume.Drifted("%q changes while it is looked at", w.path)
	}
	to, conflict := w.settle(t.storage)
	*fact = layoutFact{Path: w.path, Subvolume: s.Fact(p.instant), Compression: t.compression, NoCow: t.noCow}
	item := layoutItem{Path: w.path, UUID: s.UUID, Store: to != t.storage, Compression: to.compression, NoCow: to.noCow}
	before, after, words := shapes(t.storage, to)
	switch {
	case !item.Store:
	case conflict != "":
		return volume.Invalid(w.input+"/compression", "give no_cow: false too", "%q can't have the compression %s: %s", w.path, to.compression, conflict)
	case s.ReadOnly:
		return volume.Invalid(w.input+"/path", "make it writable first, with btrfs.property", "the subvolume %q is read-only: its properties can't be changed", w.path)
	}
	if w.limited() {
		from := p.o.limitsOf(s)
		fact.Limits = &from
		if l := from.with(w.maxReferenced, w.maxExclusive); l != from {
			if err := p.o.mayLimit(w.input, s); err != nil {
				return err
			}
			if d, over := p.o.over(w.input, s, l); over {
				p.planned.Diagnostics = append(p.planned.Diagnostics, d)
			}
			item.Limits = &l
			wasLimited, limited, more := limitShapes(from, l)
			before.MaxReferenced, before.MaxExclusive = wasLimited.MaxReferenced, wasLimited.MaxExclusive
			after.MaxReferenced, after.MaxExclusive = limited.MaxReferenced, limited.MaxExclusive
			words = append(words, more...)
		}
	}
	if err := p.leaves(w, t, to); err != nil {
		return err
	}
	if len(words) == 0 {
		p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: p.v.Resource(s), Reason: "is as it shall be"})
		p.planned.Outputs.Unchanged = append(p.planned.Outputs.Unchanged, w.path)
		return nil
	}
	p.change(subvolume.UpdateOf(p.v.Resource(s), strings.Join(words, ", "), subvolume.Properties{Shape: before}, subvolume.Properties{Shape: after}), item)
	p.after[w.path] = to
	p.planned.Outputs.Changed = append(p.planned.Outputs.Changed, w.path)
	return nil
}

// leaves tells what of the entry can't be done for what is there already: a warning, or an error if that is asked for. What
// files keep is one warning for all entries.
func (p *layoutPlanner) leaves(w wanted, t target, to storage) error {
	var errs []error
	switch k := t.keeps(to); {
	case k == keptNothing:
	case p.strict:
		errs = append(errs, refuse(w.input, k.advice(), "%s", k.words(fmt.Sprintf("%q", w.path))))
	default:
		p.kept[k] = append(p.kept[k], fmt.Sprintf("%q", w.path))
	}
	if words := w.owned(t); words != "" && !t.sub.Planned {
		const advice = "change it with chmod or chown"
		words = fmt.Sprintf("%q has %s: only new subvolumes get them", w.path, words)
		if p.strict {
			errs = append(errs, refuse(w.input, advice, "%s", words))
		} else {
			p.planned.Diagnostics = append(p.planned.Diagnostics, warning(w.input, advice, "%s", words))
		}
	}
	return errors.Join(errs...)
}

func (p *layoutPlanner) change(c sdk.Change, item layoutItem) {
	p.planned.Changes = append(p.planned.Changes, c)
	p.planned.Private.Items = append(p.planned.Private.Items, item)
	if item.Create { // others can lie in it
		p.v.Lay(c)
	}
}
