package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// snapshotsOf lists the snapshots of each source, whoever made them, as names without their folder, sorted.
func snapshotsOf(all []kernel.Subvolume) map[string][]string {
	origin := map[kernel.UUID]string{}
	for _, s := range all {
		if slices.Contains(sources, s.Path) {
			origin[s.UUID] = s.Path
		}
	}
	found := map[string][]string{}
	for _, s := range all {
		if source := origin[s.ParentUUID]; source != "" && s.ReadOnly {
			found[source] = append(found[source], s.Path)
		}
	}
	for _, paths := range found {
		slices.Sort(paths)
	}
	return found
}

// snapshots reads them from the filesystem.
func (w *world) snapshots(ctx context.Context) (found map[string][]string, err error) {
	err = w.with(ctx, func(top *kernel.Filesystem) error {
		all, err := top.List()
		found = snapshotsOf(all)
		return err
	})
	return found, err
}

// has checks that each source has that many snapshots, give or take slack.
func has(count, slack int) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		found, err := w.snapshots(ctx)
		if err != nil {
			return err
		}
		for _, source := range sources {
			if n := len(found[source]); n < count-slack || n > count+slack {
				return fmt.Errorf("it did the wrong thing: %q has %d snapshots afterwards, expected %d", source, n, count)
			}
		}
		return nil
	}
}

// hasJust checks that exactly these snapshots are left.
func hasJust(want map[string][]string) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		found, err := w.snapshots(ctx)
		if err != nil {
			return err
		}
		for _, source := range sources {
			if !slices.Equal(found[source], want[source]) {
				return fmt.Errorf("it did the wrong thing: the %d snapshots of %q that are left are not the %d that were to stay",
					len(found[source]), source, len(want[source]))
			}
		}
		return nil
	}
}
