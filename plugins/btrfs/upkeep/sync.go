package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// SyncInput is the input of btrfs.sync.
type SyncInput struct {
	volume.Target
	UntilClean bool         `json:"until_clean" default:"false" doc:"Wait until the space of all subvolumes that were deleted before is really free."`
	Wait       sdk.Duration `json:"wait" default:"10m" doc:"How long to wait for that. Then the step fails, and names what holds it up."`
}

// SyncOutput is the output of btrfs.sync.
type SyncOutput struct {
	Deleted int      `json:"deleted" doc:"How many deleted subvolumes had not been freed before."`
	Left    int      `json:"left" doc:"How many of them are not freed yet."`
	Freed   sdk.Size `json:"freed" doc:"Raw bytes that are less in use than before, copies included; 0 when others have written more meanwhile."`
}

func syncAction(h volume.Host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "sync",
		Summary: "Write everything to disk, and wait for freed space",
		Description: "Writes what is only in memory, data and metadata, and commits. That also wakes the kernel's cleaner, which gives the space of deleted " +
			"subvolumes back; by itself it may sleep for half a minute. With until_clean the step ends when that is done. A deleted " +
			"subvolume that is mounted, or in which a process has a file open or its working directory, is not freed before that ends: when the " +
			"time is up, the step names the process.",
		Touches: []string{syncType},
	}, sdk.Writer[SyncInput, SyncOutput, sdk.None]{
		Plan: func(ctx context.Context, c *sdk.Call, in SyncInput) (sdk.Planned[SyncOutput, sdk.None], error) {
			return planSync(ctx, in)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in SyncInput, _ sdk.None) (SyncOutput, error) {
			return applySync(ctx, c, in)
		},
	})
}

func planSync(ctx context.Context, in SyncInput) (sdk.Planned[SyncOutput, sdk.None], error) {
	var p sdk.Planned[SyncOutput, sdk.None]
	f, err := volume.Open(ctx, in.Target)
	if err != nil {
		return p, err
	}
	defer f.Close()
	n, err := nameOf(f)
	if err != nil {
		return p, err
	}
	orphans, err := f.Orphans()
	if err != nil {
		return p, volume.Explain("", err)
	}
	p.Outputs = SyncOutput{Deleted: len(orphans), Left: len(orphans)}
	readOnly, err := f.ReadOnly()
	switch {
	case err != nil:
		return p, volume.Explain("", err)
	case readOnly && in.UntilClean && len(orphans) > 0:
		return p, n.readOnlyError(fmt.Sprintf("the space of %s can't be freed", volume.Count(len(orphans), "deleted subvolume")), "")
	case readOnly:
		p.Kept = []sdk.Kept{{Resource: n.resource(syncType), Reason: "read-only: there is nothing to write"}}
		return p, nil
	}
	change := sdk.Change{Kind: sdk.Run, Resource: n.resource(syncType), Summary: "write everything to disk"}
	if in.UntilClean {
		change.Summary += ", and wait until the space of deleted subvolumes is free"
		change.Reason = "not freed yet: " + volume.Count(len(orphans), "deleted subvolume")
	}
	p.Changes = []sdk.Change{change}
	p.Facts = map[string]string{"filesystem": n.id}
	p.Unknown = []string{"/deleted", "/left", "/freed"}
	return p, nil
}

func applySync(ctx context.Context, c *sdk.Call, in SyncInput) (SyncOutput, error) {
	var out SyncOutput
	if err := c.PlannedOutputs(&out); err != nil {
		return out, err
	}
	f, err := volume.Open(ctx, in.Target)
	if err != nil {
		return out, err
	}
	defer f.Close()
	before, err := f.Usage()
	if err != nil {
		return out, volume.Explain("", err)
	}
	if err := f.Sync(); err != nil {
		return out, volume.Explain("", err)
	}
	orphans, err := f.Orphans()
	if err != nil {
		return out, volume.Explain("", err)
	}
	// Some may have been freed since the plan: what is reported is what there was to do.
	out = SyncOutput{Deleted: max(out.Deleted, len(orphans)), Left: len(orphans)}
	var held error
	if in.UntilClean {
		held = waitClean(ctx, c, f, orphans, time.Duration(in.Wait), &out)
	}
	after, err := f.Usage()
	if err == nil && after.Used < before.Used {
		out.Freed = sdk.Size(before.Used - after.Used)
	}
	if err == nil && held == nil {
		c.Done(0)
		c.Summarize("%v freed", out.Freed)
	}
	return out, errors.Join(held, volume.Explain("", err))
}

// waitClean waits for the cleaner.
func waitClean(ctx context.Context, c *sdk.Call, f *kernel.Filesystem, orphans []uint64, atMost time.Duration, out *SyncOutput) error {
	wait, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	err := f.WaitCleaned(wait, orphans, 100*time.Millisecond, func(left int) {
		out.Left = left
		c.Progress(sdk.Progress{Current: int64(len(orphans) - left), Total: int64(len(orphans)), Unit: "subvolumes"})
	})
	switch {
	case err == nil:
		if err := f.Sync(); err != nil { // what was freed last counts only when it is committed
			return volume.Explain("", err)
		}
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, kernel.ErrNotCleaned):
		return volume.Explain("", err)
	}
	now, orphansErr := f.Orphans()
	orphans = slices.DeleteFunc(orphans, func(id uint64) bool { return orphansErr == nil && !slices.Contains(now, id) })
	holders, holdersErr := f.Holders(orphans)
	var held []string
	for _, h := range holders {
		held = append(held, fmt.Sprintf("process %d by %s (subvolume %d)", h.PID, h.What, h.Subvolume))
	}
	e := volume.Refuse("wait longer; the cleaner is slow on much data, and with quotas", "not freed after %v: %s, and nothing is seen that holds it", sdk.Duration(atMost), volume.Count(len(orphans), "deleted subvolume"))
	if len(held) > 0 {
		const most = 5
		text := strings.Join(held[:min(len(held), most)], ", ")
		if len(held) > most {
			text += fmt.Sprintf(" and %d more", len(held)-most)
		}
		e = volume.Refuse("end those uses", "not freed after %v: %s, held by %s", sdk.Duration(atMost), volume.Count(len(orphans), "deleted subvolume"), text)
	}
	return errors.Join(e, holdersErr)
}
