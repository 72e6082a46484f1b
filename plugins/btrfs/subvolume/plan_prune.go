package subvolume

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/retention"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// prunePrivate is what Apply deletes: what is at the same index of the planned Deleted and of the changes.
type prunePrivate struct {
	Filesystem string
	Into       string
	Items      []doomed
	// Sure is the number of items that go in any case; the others go only while space is needed. Stay is what to say of
	// those if they stay, in the same order.
	Sure int
	Stay []PrunedSnapshot
}

type prunePlan = sdk.Planned[PruneOutput, prunePrivate]

// pruneSource is a source whose snapshots are decided about.
type pruneSource struct {
	name   string
	folder string // path
	input  string // that names it; "" if none does
}

// pruneSources returns them sorted by name: those that the inputs name, or else every one that the catalogue or an
// earlier step of the preview has a snapshot of in the folder of snapshots.
func pruneSources(m *machine, into string) []pruneSource {
	found := map[string]pruneSource{}
	add := func(name, input string) {
		if _, known := found[name]; !known {
			found[name] = pruneSource{name: name, folder: into + "/" + FolderOf(name), input: input}
		}
	}
	for i, s := range m.sources {
		if s.problem == nil && !s.missing {
			add(s.path, volume.At("sources", i))
		}
	}
	if len(m.sources) == 0 {
		m.state.catalogue.members(func(known member) {
			if volume.ParentOf(known.Path) == into+"/"+FolderOf(known.Source) || known.Adopted && volume.Inside(into, known.Path) {
				add(known.Source, "")
			}
		})
		for _, s := range m.subvolumes {
			if (s.managed() || s.planned && s.source != "") && s.belongs(into) {
				add(s.source, "")
			}
		}
	}
	all := make([]pruneSource, 0, len(found))
	for _, s := range found {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all
}

// pruner is the state of one planPrune.
type pruner struct {
	m       *machine
	in      PruneInput
	into    string
	policy  retention.Policy
	clock   clock
	instant time.Time

	short    bool    // less is free than asked for
	spares   []spare // that may go for that, of the sources so far
	planned  prunePlan
	facts    pruneFacts
	warnings grouped
}

// pruneFacts is what a plan rests on.
type pruneFacts struct {
	Filesystem string             `json:"filesystem"`
	Held       bool               `json:"held"`
	Trusted    bool               `json:"clock_trusted"`
	Timezone   string             `json:"timezone"`
	Short      bool               `json:"short_of_space,omitempty"`
	Sources    []pruneSourceFacts `json:"sources"`
}

type pruneSourceFacts struct {
	Source  string       `json:"source"`
	Blocked bool         `json:"blocked"`
	Members []memberFact `json:"members"` // sorted by path
}

// memberFact is a snapshot and its fate.
type memberFact struct {
	Snapshot string   `json:"snapshot"`
	Flags    []string `json:"flags,omitempty"`
	Deleted  bool     `json:"deleted"`
	Spare    bool     `json:"spare,omitempty"` // may go for want of space
}

func planPrune(m *machine, in PruneInput, into string, policy retention.Policy, instant time.Time) (prunePlan, error) {
	if in.Sources != nil && len(in.Sources) == 0 {
		return prunePlan{}, sdk.InvalidInput("/sources", "must not be empty; leave it out for the snapshots of every source")
	}
	if err := m.mayDelete(); err != nil {
		return prunePlan{}, err
	}
	if err := m.folders[into].err; err != nil {
		return prunePlan{}, volume.Explain("/snapshots", err)
	}
	var wrong []error
	for _, s := range m.sources {
		if s.problem != nil {
			wrong = append(wrong, s.problem)
		}
	}
	if len(wrong) > 0 {
		return prunePlan{}, errors.Join(wrong...)
	}
	p := &pruner{m: m, in: in, into: into, policy: policy, clock: m.trust(in.Clock, instant), instant: instant}
	p.short = in.wantsSpace() && in.lacks(m.space) > 0
	p.planned.Outputs = PruneOutput{Deleted: []PrunedSnapshot{}, Kept: []PrunedSnapshot{}, Foreign: []string{}}
	p.facts = pruneFacts{Filesystem: m.uuid, Held: m.held() != "", Trusted: p.clock.Trusted, Timezone: zoneName(policy.Location), Short: p.short, Sources: []pruneSourceFacts{}}
	p.run()
	p.planned.Facts = p.facts
	p.planned.Private.Filesystem = m.uuid
	p.planned.Private.Into = into
	if len(p.planned.Changes) > 0 && m.readOnly {
		return prunePlan{}, m.readOnlyError("nothing can be deleted")
	}
	return p.planned, nil
}

func (p *pruner) run() {
	if held := p.m.held(); held != "" {
		p.planned.Diagnostics = append(p.planned.Diagnostics, volume.Warn("remove the hold switch when deleting is safe again", "nothing is deleted: %s", held))
	}
	for i, s := range p.m.sources {
		if s.missing {
			d := volume.ItemError(sdk.InvalidInput(volume.At("sources", i), "%q does not exist, so nobody knows which subvolume it means", s.given))
			if p.in.OnMissing == "skip" {
				d.Severity, d.Reason = sdk.SeverityWarning, ""
			}
			p.planned.Diagnostics = append(p.planned.Diagnostics, d)
		}
	}
	sources := pruneSources(p.m, p.into)
	if len(sources) == 0 && len(p.m.sources) == 0 && !p.m.folder(p.into).found {
		p.planned.Diagnostics = append(p.planned.Diagnostics, volume.Warn("", "there is no folder %q, so there is nothing to prune", p.into))
	}
	seen := map[string]bool{}
	for _, s := range sources {
		if !p.source(s) || seen[s.folder] {
			continue
		}
		seen[s.folder] = true
		p.foreign(s)
	}
	p.forSpace()
	p.planned.Diagnostics = append(p.planned.Diagnostics, p.warnings.diagnostics(p.clock)...)
}

// source decides about the snapshots of one source, and reports whether its folder could be looked at.
func (p *pruner) source(s pruneSource) bool {
	folder := p.m.folder(s.folder)
	snapshots := p.m.snapshotsOf(s.name, p.into)
	switch {
	case folder.err != nil:
		err := volume.Explain(s.input, folder.err)
		var e *sdk.Error
		if errors.As(err, &e) {
			e.Summary = fmt.Sprintf("the snapshots of %q are left alone: %s", s.name, e.Summary)
		}
		p.diagnose(err)
		return false
	case !folder.found && len(snapshots) == 0:
		if s.input != "" {
			if none := volume.Invalid(s.input, "correct its name, or take a snapshot first", "there are no snapshots of %q: the folder %q does not exist", s.name, s.folder); p.in.OnMissing == "skip" {
				d := volume.ItemError(none)
				d.Severity, d.Reason, d.Advice = sdk.SeverityWarning, "", ""
				p.planned.Diagnostics = append(p.planned.Diagnostics, d)
			} else {
				p.diagnose(none)
			}
		}
		return false
	}
	facts := pruneSourceFacts{Source: s.name, Members: []memberFact{}}
	blocked := p.m.held()
	if other := p.otherTool(s); other != "" {
		p.warnings.add(other+", so nothing is deleted there", s.name,
			"give coppice a folder of its own, or set shared_with: others if they are meant to share it")
		if blocked == "" {
			blocked = other
		}
	}
	facts.Blocked = blocked != ""
	candidates := make([]retention.Snapshot, len(snapshots))
	byKey := make(map[string]subvolume, len(snapshots))
	flags := make(map[string][]string, len(snapshots))
	for i, sub := range snapshots {
		c := retention.Snapshot{Key: sub.key(), Name: sub.Path, Time: p.m.takenAt(sub, p.clock), Seq: sub.OTransID}
		var words []string
		protections := p.m.protections(sub, p.clock)
		for _, protection := range protections {
			words = append(words, protection.words)
			flags[c.Key] = append(flags[c.Key], protection.flag)
		}
		if sub.untrusted && c.Time.IsZero() {
			words = append(words, "taken while the clock could not be believed, and none since with a trusted one")
			flags[c.Key] = append(flags[c.Key], "undated")
			protections = append(protections, protection{})
		}
		c.Protected, c.ProtectedUntil = strings.Join(words, "; "), endOfAll(protections)
		candidates[i], byKey[c.Key] = c, sub
	}
	decision := retention.Decide(p.policy, p.clock, candidates)
	if blocked == "" {
		for _, w := range decision.Warnings {
			p.warnings.add(w, s.name, "")
		}
	}
	for _, v := range decision.Verdicts {
		spare := v.Spare && p.short && blocked == ""
		if (v.Keep || blocked != "") && !spare {
			p.keep(s, byKey[v.Key], v, blocked)
		}
		facts.Members = append(facts.Members, memberFact{Snapshot: byKey[v.Key].fact(p.instant), Flags: flags[v.Key],
			Deleted: !v.Keep && blocked == "", Spare: spare})
	}
	if blocked == "" {
		for _, v := range decision.Deletes() {
			p.delete(s, byKey[v.Key], v)
		}
		p.maySpare(s, decision, byKey)
	}
	sort.Slice(facts.Members, func(i, j int) bool { return facts.Members[i].Snapshot < facts.Members[j].Snapshot })
	p.facts.Sources = append(p.facts.Sources, facts)
	return true
}

func (p *pruner) keep(s pruneSource, sub subvolume, v retention.Verdict, blocked string) {
	reasons := v.Reasons
	if !v.Keep { // the rules would delete it
		reasons = nil
	}
	if blocked != "" {
		reasons = append(slices.Clone(reasons), blocked)
	}
	why := strings.Join(reasons, "; ") + p.ends(sub, v, blocked)
	n := len(p.planned.Outputs.Kept)
	if sub.planned {
		p.planned.Unknown = append(p.planned.Unknown, fmt.Sprintf("/kept/%d/uuid", n))
	}
	kept := p.pruned(s, sub, v, why)
	if blocked == "" {
		kept.KeptUntil = v.Until
	}
	p.planned.Outputs.Kept = append(p.planned.Outputs.Kept, kept)
	p.planned.Kept = append(p.planned.Kept, sdk.Kept{Resource: p.m.resource(sub.Path, sub.id()), Reason: why, Since: kept.Created, Until: kept.KeptUntil})
}

// ends says what ends the stay of a snapshot, if it can be said in a word.
func (p *pruner) ends(sub subvolume, v retention.Verdict, blocked string) string {
	switch {
	case !v.Keep || blocked != "":
		return ""
	case !v.Until.IsZero():
		return ", until " + volume.Moment(v.Until)
	case v.Replaced:
		return ", until replaced"
	case len(p.m.state.holds[sub.UUID]) > 0 && endOf(p.m.state.holds[sub.UUID]).IsZero():
		return ", for ever"
	}
	return ""
}

func (p *pruner) delete(s pruneSource, sub subvolume, v retention.Verdict) {
	why := strings.Join(v.Reasons, "; ")
	p.planned.Outputs.Deleted = append(p.planned.Outputs.Deleted, p.pruned(s, sub, v, why))
	p.planned.Changes = append(p.planned.Changes, sdk.Change{
		Kind:     sdk.Delete,
		Resource: p.m.resource(sub.Path, sub.id()),
		Summary:  "taken " + volume.Moment(v.Time),
		Reason:   why,
		Before: attributes{
			Source: s.name, ParentUUID: uuidText(sub.ParentUUID), ReadOnly: sub.ReadOnly, Managed: true, Created: v.Time.UTC(),
		}.encode(),
	})
	p.planned.Private.Items = append(p.planned.Private.Items, doomed{ID: sub.ID, UUID: sub.UUID, Path: sub.Path, Source: s.name})
}

func (p *pruner) pruned(s pruneSource, sub subvolume, v retention.Verdict, why string) PrunedSnapshot {
	return PrunedSnapshot{Source: s.name, Path: sub.Path, UUID: sdk.UUID(sub.id()), Created: v.Time.UTC(), Why: why}
}

func (p *pruner) diagnose(err error) {
	p.planned.Diagnostics = append(p.planned.Diagnostics, volume.ItemError(err))
}
