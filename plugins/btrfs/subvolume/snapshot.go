package subvolume

import (
	"context"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

func snapshotAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "snapshot",
		Summary: "Snapshot subvolumes together",
		Description: "Takes a snapshot of each source, all in one transaction of the filesystem where the kernel lets it: then they " +
			"are of one moment, as after a power cut, for everything that was synced. Under write load that can fail; the group is then taken " +
			"again, up to five times, and atomic tells the outcome.\n\n" +
			"A snapshot is <into>/<folder>/<stamp>. The folder is the path of the source with \"-\" for \"/\"; the stamp is the run's " +
			"instant in UTC, such as 20261024T060000.000Z. Folders are made as needed, readable by root only. The snapshots are recorded in " +
			".coppice/snapshots on the filesystem; only those that are can be expired by btrfs.prune.\n\n" +
			"A source is called by its path, so a subvolume that was replaced by another one keeps its snapshots. Subvolumes inside a " +
			"source are not part of its snapshot. A snapshot that this run has taken already is not taken again.",
		Touches: []string{volume.ResourceType},
	}, sdk.Writer[SnapshotInput, SnapshotOutput, snapshotPrivate]{
		Locks: func(ctx context.Context, c *sdk.Call, in SnapshotInput) ([]sdk.Lock, error) {
			return volume.NameLocks(ctx, in.Target)
		},
		Plan: func(ctx context.Context, c *sdk.Call, in SnapshotInput) (sdk.Planned[SnapshotOutput, snapshotPrivate], error) {
			var none sdk.Planned[SnapshotOutput, snapshotPrivate]
			into, bad := volume.CleanFolder("/into", in.Into)
			if bad != nil {
				return none, bad
			}
			f, err := volume.Open(ctx, in.Target)
			if err != nil {
				return none, err
			}
			defer f.Close()
			m, err := observeForSnapshot(ctx, h, f, c, in, into)
			if err != nil {
				return none, err
			}
			return planSnapshot(m, in, into, c.Run, c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in SnapshotInput, private snapshotPrivate) (SnapshotOutput, error) {
			return applySnapshot(ctx, h, c, in, private)
		},
	})
}

// observeForSnapshot looks at what the plan is about alone: with thousands of snapshots a look at all of them would take
// longer than the rest of it.
func observeForSnapshot(ctx context.Context, h volume.Host, f *kernel.Filesystem, c *sdk.Call, in SnapshotInput, into string) (*machine, error) {
	stamp := StampOf(c.Instant)
	sources := observeSources(f, "sources", in.Sources)
	things := []string{into}
	for _, s := range sources {
		if s.problem == nil && !s.missing {
			folder := into + "/" + FolderOf(s.path)
			things = append(things, s.path, folder, folder+"/"+stamp)
		}
	}
	paths := slices.Clone(things)
	for around := volume.ParentOf(into); around != ""; around = volume.ParentOf(around) {
		paths = append(paths, around)
	}
	if renames(c.Prior) { // then what is at a path is elsewhere now
		paths = nil
	}
	m, err := observe(ctx, h, f, look{record: recordName(stamp, c.Run), clock: true, newest: true, paths: paths, planning: true, prior: c.Prior, virtual: c.Virtual})
	if err != nil {
		return nil, err
	}
	if err := m.mayTouch(); err != nil {
		return nil, err
	}
	if err := m.state.broken[recordName(stamp, c.Run)]; err != nil {
		return nil, err
	}
	m.sources = sources
	m.observeThings(f, things...)
	if m.noSource() { // then the error names what there is
		if err := m.observeSubvolumes(f); err != nil {
			return nil, err
		}
		m.overlay(c.Prior)
	}
	return m, nil
}

// noSource reports whether none of the sources is a subvolume.
func (m *machine) noSource() bool {
	return !slices.ContainsFunc(m.sources, func(s source) bool {
		_, there := m.at(s.path)
		return there
	})
}
