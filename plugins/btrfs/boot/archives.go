package boot

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// shelf is all archives of a filesystem, with the state.
type shelf struct {
	State state
	All   []keeping
}

// openShelf opens a mounted filesystem and looks at its archives, for a decision. The caller closes it.
func openShelf(ctx context.Context, filesystem sdk.Filesystem) (*kernel.Filesystem, shelf, error) {
	f, err := volume.Open(ctx, volume.Target{Filesystem: filesystem})
	if err != nil {
		return nil, shelf{}, err
	}
	s, err := readShelf(f)
	if err != nil {
		f.Close()
		return nil, shelf{}, volume.Explain("", err)
	}
	return f, s, nil
}

// readShelf looks at all archives that there are records of. What can't be read makes it fail: nobody deletes on half the truth.
func readShelf(f *kernel.Filesystem) (shelf, error) {
	var s shelf
	problem, err := volume.CheckState(f)
	if err = errors.Join(problem, err); err != nil {
		return s, err
	}
	if s.State, err = readState(f); err != nil {
		return s, err
	}
	records, unreadable := readArchives(f)
	if len(unreadable) > 0 {
		return s, volume.Refuse("repair it; if it is removed, the archive stays for ever", "a record of an archive can't be read: %v", unreadable[0])
	}
	holds, unheld := volume.ReadHolds(f)
	if len(unheld) > 0 {
		return s, volume.Refuse("repair the file or, if it holds nothing back, remove it", "a hold can't be read, so nothing is deleted: %v", unheld[0])
	}
	all, err := f.List()
	if err != nil {
		return s, err
	}
	mounted, err := f.MountedSubvolumes()
	if err != nil {
		return s, err
	}
	standard, err := f.Default()
	if err != nil {
		return s, err
	}
	wanted, err := readUse(f)
	if err != nil {
		return s, err
	}
	for _, r := range records {
		k := keeping{archived: r, Wanted: wanted != nil && wanted.Staged == r.UUID}
		for _, v := range all {
			if v.UUID == r.UUID {
				k.Now = presence{Found: true, Kind: kernel.EntrySubvolume, Subvolume: v}
			}
		}
		if k.Now.Found {
			k.Default = k.Now.ID == standard
			if h, held := holds[r.UUID]; held {
				k.Pinned = h.String() // one that has ended too: whoever set it takes it away
			}
			for _, v := range all {
				inner := volume.Inside(k.Now.Path, v.Path)
				if inner {
					k.Nested = append(k.Nested, v)
				}
				if at, is := mounted[v.ID]; is && (inner || v.UUID == r.UUID) {
					k.Mounted = "mounted at " + at.Point
				}
				if h, held := holds[v.UUID]; held && inner {
					k.Pinned = "in it " + v.Path + " is " + h.String()
				}
			}
			sort.Slice(k.Nested, func(i, j int) bool { return len(k.Nested[i].Path) < len(k.Nested[j].Path) })
		}
		s.All = append(s.All, k)
	}
	return s, nil
}

// policyOf is that of the inputs, on this machine.
func (s shelf) policyOf(c circumstances, in ExpiredInput, call *sdk.Call) policy {
	instant := call.Instant
	p := policy{Instant: instant, Retention: time.Duration(in.Retention), AtLeast: in.KeepAtLeast, Allowed: in.Nested,
		Distrust: distrusts(c.Unsynced, in.Clock, instant, newestTime(s.State, s.All))}
	if s.State.Confirmed != nil {
		p.Good = s.State.Confirmed.Root
	}
	switch {
	case call.Virtual != sdk.NotVirtual: // its clock counts as right, and its boots as confirmed
		p.Distrust = ""
	case s.State.Confirmed == nil || s.State.Confirmed.Boot != c.Boot:
		p.Unconfirmed = "this boot is not confirmed yet"
	case s.State.Intent != nil:
		p.Unconfirmed = "a rollback was cut off, and is not finished yet"
	}
	return p
}

// entry is an archive in outputs.
func (k keeping) entry() ArchiveEntry {
	return ArchiveEntry{Path: k.Now.Path, UUID: sdk.UUID(k.UUID.String()), Place: k.Place, At: k.At, Trusted: k.Trusted, Boot: k.Boot,
		Confirmed: k.Confirmed, Abandoned: k.Abandoned, Adopted: k.Adopted, Pinned: k.Pinned, Mounted: k.Mounted, Keep: k.Keep}
}

func expiredAction(m machine) sdk.Action {
	return sdk.Read(sdk.Info{
		Name:    "boot_expired",
		Summary: "Tell which archived roots have had their day",
		Description: "Lists the archives that were put away longer ago than retention, by the time that was recorded then, as UUIDs for btrfs.delete_tree, " +
			"with the subvolumes in them that are on the list.\n\n" +
			"None goes before this boot is confirmed, nor by a clock that can't be believed: an archive of a boot without such a clock is as old as the first run of " +
			"btrfs.boot_tidy with one. The last confirmed root stays, and what is pinned, mounted, the default subvolume, moved, among the newest keep_at_least of its place, or " +
			"has other subvolumes in it. What no record says to have been archived by coppice stays, always.",
		Touches: []string{volume.ResourceType},
	}, func(ctx context.Context, c *sdk.Call, in ExpiredInput) (sdk.Planned[ExpiredOutput, sdk.None], error) {
		planned := sdk.Planned[ExpiredOutput, sdk.None]{Outputs: ExpiredOutput{Subvolumes: []string{}, Archives: []ArchiveEntry{}}}
		now, err := m.circumstances()
		if err != nil {
			return planned, err
		}
		f, s, err := openShelf(ctx, in.Filesystem)
		if err != nil {
			return planned, err
		}
		defer f.Close()
		p := s.policyOf(now, in, c)
		planned.Outputs.Why = p.Unconfirmed
		for _, k := range expire(s.All, p) {
			if k.Now.Found {
				planned.Outputs.Archives = append(planned.Outputs.Archives, k.entry())
			}
			if k.Keep != "" {
				if k.Now.Found {
					planned.Kept = append(planned.Kept, sdk.Kept{Resource: sdk.Resource{Type: volume.ResourceType, Scope: f.UUID().String(), Name: k.Now.Path, ID: k.UUID.String()}, Reason: k.Keep})
				}
				continue
			}
			for _, n := range slices.Backward(k.Nested) {
				planned.Outputs.Subvolumes = append(planned.Outputs.Subvolumes, n.UUID.String())
			}
			planned.Outputs.Subvolumes = append(planned.Outputs.Subvolumes, k.UUID.String())
		}
		planned.Summary = volume.Count(len(planned.Outputs.Subvolumes), "subvolume") + " to delete"
		return planned, nil
	})
}

// tidyPrivate is what Apply does.
type tidyPrivate struct {
	Filesystem string
	Forget     []kernel.UUID // in the order of the changes
	Date       []kernel.UUID
}

// recordType is the type of resource of a record of this package.
const recordType = "btrfs.boot"

func tidyAction(m machine) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "boot_tidy",
		Summary: "Keep the records of archived roots in order",
		Description: "Forgets archives that are gone, and lets the age of those that a boot without a trusted clock has put away count from now on, if the clock " +
			"can be believed now. It changes records in .coppice/boot and nothing else. Run it after btrfs.delete_tree.",
		Converges: true,
		Touches:   []string{recordType},
	}, sdk.Writer[ExpiredInput, TidyOutput, tidyPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in ExpiredInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, volume.Target{Filesystem: in.Filesystem})
		},
		Plan: func(ctx context.Context, c *sdk.Call, in ExpiredInput) (sdk.Planned[TidyOutput, tidyPrivate], error) {
			planned := sdk.Planned[TidyOutput, tidyPrivate]{}
			now, err := m.circumstances()
			if err != nil {
				return planned, err
			}
			f, s, err := openShelf(ctx, in.Filesystem)
			if err != nil {
				return planned, err
			}
			defer f.Close()
			planned.Private.Filesystem = f.UUID().String()
			going := map[string]bool{} // by earlier steps
			for _, change := range c.Prior {
				if change.Kind == sdk.Delete && change.Resource.Scope == planned.Private.Filesystem {
					going[change.Resource.ID] = true
				}
			}
			p := s.policyOf(now, in, c)
			for _, k := range s.All {
				change := sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Type: recordType, Scope: planned.Private.Filesystem, Name: k.Path, ID: k.UUID.String()}}
				switch {
				case !k.Now.Found || going[k.UUID.String()]:
					change.Summary = "its record is removed: it is gone"
					planned.Private.Forget = append(planned.Private.Forget, k.UUID)
				case k.age().IsZero() && p.Distrust == "" && !k.Abandoned:
					change.Summary = "its age counts from now on"
					planned.Private.Date = append(planned.Private.Date, k.UUID)
				default:
					continue
				}
				planned.Changes = append(planned.Changes, change)
			}
			planned.Outputs = TidyOutput{Forgotten: len(planned.Private.Forget), Dated: len(planned.Private.Date)}
			return planned, nil
		},
		Apply: func(ctx context.Context, c *sdk.Call, in ExpiredInput, private tidyPrivate) (TidyOutput, error) {
			return applyTidy(ctx, m, c, in, private)
		},
	})
}

func applyTidy(ctx context.Context, m machine, c *sdk.Call, in ExpiredInput, private tidyPrivate) (TidyOutput, error) {
	var out TidyOutput
	if len(private.Forget)+len(private.Date) == 0 {
		return out, nil
	}
	f, release, err := volume.OpenLocked(ctx, m.Host, volume.Target{Filesystem: in.Filesystem}, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	s, err := readShelf(f)
	if err != nil {
		return out, volume.Explain("", err)
	}
	change := 0
	for _, k := range s.All {
		forget, date := slices.Contains(private.Forget, k.UUID), slices.Contains(private.Date, k.UUID)
		switch {
		case forget && k.Now.Found:
			return out, volume.Drifted("%q is there still", k.Now.Path)
		case forget:
			if err := f.Remove(k.path()); err != nil && !errors.Is(err, kernel.ErrNotFound) {
				return out, volume.Explain("", err)
			}
			out.Forgotten++
		case date && k.age().IsZero():
			k.CountedFrom = c.Instant.UTC()
			if err := k.write(f); err != nil {
				return out, volume.Explain("", err)
			}
			out.Dated++
		default:
			continue
		}
		c.Done(change)
		change++
	}
	return out, volume.Explain("", volume.SyncFolder(f, archivesFolder))
}
