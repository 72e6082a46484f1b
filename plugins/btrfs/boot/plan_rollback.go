package boot

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// rollbackPrivate is what Apply does: the decision, which it makes again and holds against this one.
type rollbackPrivate struct {
	Filesystem string // "": a guard has tripped before it was opened
	Decision   json.RawMessage
}

type rollbackPlan = sdk.Planned[RollbackOutput, rollbackPrivate]

// rollbackFacts is what a plan rests on.
type rollbackFacts struct {
	Filesystem string `json:"filesystem"`
	Result     string `json:"result"`
	Why        string `json:"why"`
	Old        string `json:"old"`
	From       string `json:"from"`
}

func planRollback(ctx context.Context, m machine, c *sdk.Call, in RollbackInput) (rollbackPlan, error) {
	source, places, err := in.clean()
	if err != nil {
		return rollbackPlan{}, err
	}
	in.Source = source
	now, err := m.circumstances()
	if err != nil {
		return rollbackPlan{}, err
	}
	all := now.trips()
	if err := faults(all); err != nil {
		return rollbackPlan{}, err
	}
	if why := reason(all); why != "" {
		return skipPlan(in.Root, why), nil
	}
	f, ours, err := m.open(ctx, now, in.Filesystem, true)
	if err != nil {
		return rollbackPlan{}, err
	}
	defer f.Close()
	s, err := m.observe(f, now, in, places)
	if err != nil {
		return rollbackPlan{}, volume.Explain("", err)
	}
	s.ReadOnly = s.ReadOnly && !ours
	d, trips := decide(now, s, in, c.Instant)
	if err := faults(trips); err != nil {
		return rollbackPlan{}, err
	}
	return planDecision(s, d, c, now.Boot)
}

// skipPlan is the plan of leaving everything as it is, when the filesystem was not even opened.
func skipPlan(root, why string) rollbackPlan {
	return rollbackPlan{
		Summary:     "the root stays as it is",
		Outputs:     RollbackOutput{Result: skipped, Why: why, Root: root, Archived: []ArchivedPlace{}},
		Facts:       rollbackFacts{Result: skipped, Why: why},
		Kept:        []sdk.Kept{{Resource: sdk.Resource{Type: volume.ResourceType, Name: root}, Reason: why}},
		Diagnostics: []sdk.Diagnostic{volume.Warn("", "the root stays as it is: %s", why)},
	}
}

// planDecision puts a decision into the words of a plan.
func planDecision(s scene, d decision, c *sdk.Call, boot string) (rollbackPlan, error) {
	encoded, err := json.Marshal(d)
	if err != nil {
		return rollbackPlan{}, err
	}
	root := s.root()
	facts := rollbackFacts{Filesystem: s.UUID, Result: d.Result, Why: d.Why, Old: idOf(root.Now)}
	planned := rollbackPlan{
		Outputs: RollbackOutput{Result: d.Result, Why: d.Why, Root: root.Place, UUID: idOf(root.Now), Archived: []ArchivedPlace{}},
		Private: rollbackPrivate{Filesystem: s.UUID, Decision: encoded},
	}
	resource := func(place string, p presence) sdk.Resource {
		return sdk.Resource{Type: volume.ResourceType, Scope: s.UUID, Name: place, ID: idOf(p)}
	}
	for _, r := range d.Recovered {
		words := map[verdict]string{
			done:    "an earlier rollback was cut off when %q had been exchanged; nothing is left to do there",
			undone:  "an earlier rollback was cut off before %q was exchanged",
			missing: "an earlier rollback was cut off, and nothing is at %q",
		}[r.Verdict]
		diagnostic := volume.Warn("", words, r.Place)
		if r.Abandon != nil {
			diagnostic.Summary += fmt.Sprintf("; its clean one stays in the archive as %q", r.Abandon.Path)
		}
		planned.Diagnostics = append(planned.Diagnostics, diagnostic)
	}
	for _, m := range s.Members {
		for _, place := range d.Reused {
			if place == m.Place {
				planned.Kept = append(planned.Kept, sdk.Kept{Resource: resource(place, m.Now), Reason: "it is as clean as it was made"})
			}
		}
		if d.Intent == nil {
			continue
		}
		for _, i := range d.Intent.Places {
			if i.Place != m.Place {
				continue
			}
			if m.Now.subvolume() {
				planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Update, Resource: resource(m.Place, m.Now),
					Summary: "archived as " + i.Archive, Before: subvolume.Moved(m.Place), After: subvolume.Moved(i.Archive)})
				planned.Outputs.Archived = append(planned.Outputs.Archived, ArchivedPlace{Place: m.Place, Path: i.Archive, UUID: sdk.UUID(idOf(m.Now))})
			}
			planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Create, Resource: resource(m.Place, presence{}),
				Summary: newWords(i, d), Reason: d.Why, After: subvolume.AfterCopy(i.From, c.Instant)})
			if m.Place == root.Place {
				facts.From = i.From.String()
				planned.Outputs.UUID, planned.Unknown = "", []string{"/uuid"}
				if i.Kind == staged {
					planned.Outputs.UUID, planned.Unknown = i.New.String(), nil
				}
			}
		}
	}
	planned.Facts = facts
	if words := d.notes(); words != "" { // else nobody would apply it: the request would stay, and the boot not be counted
		planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Type: recordType, Scope: s.UUID, Name: "boot " + boot[:minBoot]}, Summary: words})
	}
	switch d.Result {
	case skipped:
		planned.Summary = "the root stays as it is"
		planned.Kept = append(planned.Kept, sdk.Kept{Resource: resource(root.Place, root.Now), Reason: d.Why})
		planned.Diagnostics = append(planned.Diagnostics, volume.Warn("", "the root stays as it is: %s", d.Why))
	case already:
		planned.Summary = "this boot has had it already"
		planned.Kept = append(planned.Kept, sdk.Kept{Resource: resource(root.Place, root.Now), Reason: "this boot has had it already"})
	case fellBack:
		planned.Diagnostics = append(planned.Diagnostics, volume.Warn("find out why the boots failed: the archive has their roots, with their journals",
			"a copy of the last confirmed root comes back: %s", d.Why))
	}
	return planned, nil
}

// notes says what is written down where nothing is exchanged; "": nothing is.
func (d decision) notes() string {
	switch {
	case d.Intent != nil:
		return ""
	case d.Result == reused:
		return "noted: its root is as clean as it was made"
	case len(d.Consumed) > 0:
		return "noted, and what was asked for is done"
	case len(d.Recovered) > 0:
		return "noted what a rollback that was cut off has left"
	}
	return ""
}

// newWords says what a new one is.
func newWords(i intentMember, d decision) string {
	switch {
	case i.Kind == copied:
		return "writable copy of " + d.Source
	case i.Kind == staged:
		return "the copy that was made for it, at " + d.Source
	case i.From.IsZero():
		return "empty subvolume"
	}
	return "clean: a writable snapshot of " + d.Source
}

// idOf is the UUID of what is there; "" if nothing is.
func idOf(p presence) string {
	if !p.subvolume() || p.UUID == (kernel.UUID{}) {
		return ""
	}
	return p.UUID.String()
}
