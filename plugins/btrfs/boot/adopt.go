package boot

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// adoptPrivate is what Apply does.
type adoptPrivate struct {
	Filesystem string
	Records    []archived // in the order of the changes
}

type adoptFacts struct {
	Filesystem string   `json:"filesystem"`
	Adopted    []string `json:"adopted"`
}

type adoptPlan = sdk.Planned[AdoptOutput, adoptPrivate]

func adoptAction(m machine) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "boot_adopt",
		Summary: "Take archived roots in that another tool has put away",
		Description: "Writes a record for each subvolume in the archive's folder that has none, so that it is listed, can be used, pinned and compared, and goes one day as others do. " +
			"Its age counts from the first run of btrfs.boot_tidy with a clock that can be believed: a time in a name is shown, and nothing is deleted by it. Nothing but the record changes. " +
			"A plain folder can't be adopted, and nothing that coppice does deletes it.",
		Converges: true,
		Touches:   []string{recordType},
	}, sdk.Writer[AdoptInput, AdoptOutput, adoptPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in AdoptInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, volume.Target{Filesystem: in.Filesystem})
		},
		Plan: func(ctx context.Context, c *sdk.Call, in AdoptInput) (adoptPlan, error) { return planAdopt(ctx, c, in) },
		Apply: func(ctx context.Context, c *sdk.Call, in AdoptInput, private adoptPrivate) (AdoptOutput, error) {
			return applyAdopt(ctx, m, c, in, private)
		},
	})
}

func planAdopt(ctx context.Context, c *sdk.Call, in AdoptInput) (adoptPlan, error) {
	planned := adoptPlan{Outputs: AdoptOutput{Adopted: []string{}}}
	source, _, err := Source{Root: in.Root, Blank: in.Blank, Archive: in.Archive}.clean()
	if err != nil {
		return planned, err
	}
	f, shelf, err := openShelf(ctx, in.Filesystem)
	if err != nil {
		return planned, err
	}
	defer f.Close()
	wanted, err := named(f, source, in.Subvolumes)
	if err != nil {
		return planned, err
	}
	id := f.UUID().String()
	planned.Private.Filesystem = id
	facts := []string{}
	for _, s := range wanted {
		resource := sdk.Resource{Type: recordType, Scope: id, Name: s.Path, ID: s.UUID.String()}
		if why := shelf.strange(s, source); why != "" {
			planned.Kept = append(planned.Kept, sdk.Kept{Resource: resource, Reason: why})
			continue
		}
		at, told := timeIn(path.Base(s.Path), c.Instant)
		summary := "adopted as an archive of " + source.Root
		if told {
			summary += ", of " + volume.Moment(at) + " by its name"
		}
		planned.Private.Records = append(planned.Private.Records, archived{Schema: schema, UUID: s.UUID, Place: source.Root, Path: s.Path, At: at, Adopted: true})
		planned.Changes = append(planned.Changes, sdk.Change{Kind: sdk.Create, Resource: resource, Summary: summary})
		planned.Outputs.Adopted = append(planned.Outputs.Adopted, s.Path)
		facts = append(facts, s.UUID.String())
	}
	planned.Facts = adoptFacts{Filesystem: id, Adopted: facts}
	return planned, nil
}

// named are the subvolumes in the archive that are meant: those that are named, or all that lie directly in it.
func named(f *kernel.Filesystem, source Source, names []string) ([]kernel.Subvolume, error) {
	all, err := f.List()
	if err != nil {
		return nil, volume.Explain("", err)
	}
	var inside []kernel.Subvolume
	for _, s := range all {
		if volume.ParentOf(s.Path) == source.Archive {
			inside = append(inside, s)
		}
	}
	sort.Slice(inside, func(i, j int) bool { return inside[i].Path < inside[j].Path })
	if len(names) == 0 {
		return inside, nil
	}
	var found []kernel.Subvolume
	for i, name := range names {
		at := slices.IndexFunc(inside, func(s kernel.Subvolume) bool {
			return s.Path == name || s.Path == path.Join(source.Archive, name) || s.UUID.String() == strings.ToLower(name)
		})
		if at >= 0 {
			found = append(found, inside[at])
			continue
		}
		o := observer{f: f}
		for _, p := range []string{name, path.Join(source.Archive, name)} {
			if there := o.at(strings.Trim(path.Clean(p), "/")); o.err == nil && there.Found && there.Kind == kernel.EntryDir {
				return nil, volume.Invalid(volume.At("subvolumes", i), "nothing that coppice does deletes it; when it is worth nothing any more, remove it by hand", "%q is a folder, not a subvolume", p)
			}
		}
		return nil, volume.Invalid(volume.At("subvolumes", i), "\"coppice boot status\" lists what is there", "there is no subvolume %q directly in %q", name, source.Archive)
	}
	return found, nil
}

// strange says why a subvolume in the archive is none that can be adopted; "" if it can.
func (s shelf) strange(v kernel.Subvolume, source Source) string {
	known := slices.ContainsFunc(s.All, func(k keeping) bool { return k.UUID == v.UUID })
	switch {
	case known:
		return "there is a record of it already"
	case v.Path == source.Blank:
		return "it is the blank"
	case v.Path == source.Root:
		return "it is the root"
	case v.UUID.IsZero():
		return "it has no UUID"
	case s.State.Intent != nil:
		for _, m := range s.State.Intent.Places {
			if m.Archive == v.Path {
				return "a rollback that was cut off has made it: the next boot sees to it"
			}
		}
	}
	return ""
}

// layouts are how times stand in names: those of the scripts of impermanence, of their like, and of coppice.
var layouts = []string{"2006-1-2_15:04:05", "2006-1-2T15:04:05", "2006-1-2-15:04:05", "2006-1-2_15-04-05", "2006-1-2-150405", "20060102T150405Z", "20060102T150405", "20060102-150405",
	"20060102_150405", "20060102150405", "2006-1-2", "20060102"}

// timeIn finds the time that stands in a name, read as UTC. One that is still to come is none; told is false then, and the time is now.
func timeIn(name string, now time.Time) (at time.Time, told bool) {
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' || i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
			continue
		}
		for _, layout := range layouts {
			for _, rest := range []string{name[i:], strings.TrimRight(name[i:], "Z")} {
				if t, err := time.Parse(layout, rest); err == nil && !t.After(now) && t.Year() >= 2007 { // btrfs is not older
					return t, true
				}
			}
		}
	}
	return now.UTC().Truncate(time.Second), false
}

func applyAdopt(ctx context.Context, m machine, c *sdk.Call, in AdoptInput, private adoptPrivate) (AdoptOutput, error) {
	var out AdoptOutput
	if err := c.PlannedOutputs(&out); err != nil || len(private.Records) == 0 {
		return out, err
	}
	f, release, err := volume.OpenLocked(ctx, m.Host, volume.Target{Filesystem: in.Filesystem}, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	for _, r := range private.Records {
		at, found, err := f.AtPath(r.Path)
		if err != nil {
			return out, volume.Explain("", err)
		}
		if !found || at.UUID != r.UUID {
			return out, volume.Drifted("%q is another one now", r.Path)
		}
	}
	if err := changeState(f, func(s state) (state, error) { return s, nil }); err != nil { // the folder is there then
		return out, volume.Explain("", err)
	}
	for n, r := range private.Records {
		if err := r.write(f); err != nil {
			return out, volume.Explain("", fmt.Errorf("cannot record %q: %w", r.Path, err))
		}
		c.Done(n)
	}
	return out, nil
}
