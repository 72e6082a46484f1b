// Package history gives a throw-away filesystem a past: a layout of subvolumes,
// and snapshots of them that were taken long ago. The snapshots are taken by the
// plugin itself, with instants in the past; then the image is taken offline and
// their creation times are set to those instants.
package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/sdk"
)

// Layout is the server layout that the shipped playbooks expect.
var Layout = []string{"root", "nix", "persist", "log", "services", "caddy", "backup", "containers",
	"cache", "tmp", "snapshots", "old_roots"}

// Create makes subvolumes, each with a small file in it.
func Create(ctx context.Context, fs *loopfs.Filesystem, subvolumes []string) error {
	top, err := kernel.Open(ctx, fs.Mount)
	if err != nil {
		return err
	}
	defer top.Close()
	for _, name := range subvolumes {
		if _, err := top.CreateSubvolume(name); err != nil {
			return err
		}
		if name == "snapshots" || name == "old_roots" {
			continue
		}
		if err := os.WriteFile(fs.Path(name, "README"), []byte("files of "+name+"\n"), 0o644); err != nil {
			return err
		}
	}
	return top.Sync()
}

// Take snapshots the sources once for each instant, as btrfs.snapshot does into
// its default folder, and sets their creation times to the instants. The
// filesystem is unmounted and mounted again for that.
func Take(ctx context.Context, fs *loopfs.Filesystem, sources []string, instants []time.Time) error {
	created := map[kernel.UUID]time.Time{}
	plugin := btrfs.New()
	inputs, err := json.Marshal(map[string]any{"filesystem": fs.Mount, "sources": sources, "clock": "rtc"})
	if err != nil {
		return err
	}
	for i, instant := range instants {
		instant = instant.UTC().Truncate(time.Millisecond)
		r := sdk.Request{ID: "history", Run: fmt.Sprintf("history-%d", i), Step: "take", Action: "snapshot",
			Instant: instant, Inputs: inputs}
		plan, err := plugin.Plan(ctx, r)
		if err != nil {
			return err
		}
		result, err := plugin.Apply(ctx, r, plan, func(sdk.Event) {})
		if err != nil {
			return err
		}
		if all := append(plan.Diagnostics, result.Diagnostics...); sdk.HasErrors(all) {
			return errors.New(all[0].Summary)
		}
		var out subvolume.SnapshotOutput
		if err := json.Unmarshal(result.Outputs, &out); err != nil {
			return err
		}
		for _, s := range out.Snapshots {
			id, err := kernel.ParseUUID(string(s.UUID))
			if err != nil {
				return err
			}
			created[id] = instant
		}
	}
	if err := fs.Unmount(); err != nil {
		return err
	}
	err = ages.Set(fs.Image[0], created)
	for try := 0; errors.Is(err, ages.ErrMounted) && try < 3000; try++ {
		// Another process may have copied its mount namespace, this mount with it: five minutes at most.
		time.Sleep(100 * time.Millisecond)
		err = ages.Set(fs.Image[0], created)
	}
	if err != nil {
		return errors.Join(err, fs.MountAgain(""))
	}
	return fs.MountAgain("")
}

// Every lists n instants, the last one step before the given end.
func Every(step time.Duration, n int, end time.Time) []time.Time {
	instants := make([]time.Time, n)
	for i := range instants {
		instants[i] = end.Add(-time.Duration(n-i) * step)
	}
	return instants
}
