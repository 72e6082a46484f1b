package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// balancer is the state of one Apply.
type balancer struct {
	h       volume.Host
	c       *sdk.Call
	f       *kernel.Filesystem
	in      BalanceInput
	private balancePrivate
	facts   balanceFacts
	done    balanceDone
	before  uint64 // unallocated
	total   int    // chunks that might be relocated
}

func applyBalance(ctx context.Context, h volume.Host, c *sdk.Call, in BalanceInput, private balancePrivate) (BalanceOutput, error) {
	var out BalanceOutput
	if err := c.PlannedOutputs(&out); err != nil || !private.Balance {
		return out, err
	}
	f, release, err := volume.OpenExclusive(ctx, h, in.Target, private.Filesystem)
	if err != nil {
		return out, err
	}
	defer release()
	facts, err := observeBalance(f)
	if err != nil {
		return out, err
	}
	if last := facts.last; last != nil && last.Run == c.Run && last.Step == c.Step { // this plan was applied already
		last.outputs(&out)
		return out, nil
	}
	if err := facts.balanceable(); err != nil {
		return out, err
	}
	b := &balancer{h: h, c: c, f: f, in: in, private: private, facts: facts, before: facts.unallocated, total: facts.candidates(private.Stages, ^uint64(0))}
	b.done = balanceDone{Run: c.Run, Step: c.Step, Started: h.Now().UTC(), End: "finished"}
	err = b.stages(ctx)
	return b.end(ctx, out, err)
}

// stages goes through them until the goal is met.
func (b *balancer) stages(ctx context.Context) error {
	for _, s := range b.private.Stages {
		if err := b.look(); err != nil {
			return err
		}
		// A chunk that is made meanwhile lies behind all that are there now: what was moved is not moved again.
		end := uint64(0)
		for _, g := range b.facts.groups {
			end = max(end, g.Start+1)
		}
		fit := b.facts.candidates([]stage{s}, end)
		b.done.Considered += fit
		for n := 0; n < fit && (b.in.Limit == 0 || n < b.in.Limit); n++ {
			if b.facts.unallocated >= b.private.Goal {
				return nil
			}
			if b.facts.candidates([]stage{s}, end) == 0 {
				break
			}
			b.tell(s)
			relocated, err := b.one(ctx, s, end)
			if err != nil || relocated == 0 {
				if err != nil {
					return err
				}
				break
			}
			b.done.Relocated += relocated
			if err := b.look(); err != nil {
				return err
			}
		}
	}
	return nil
}

// one relocates a single chunk.
func (b *balancer) one(ctx context.Context, s stage, end uint64) (relocated int, err error) {
	filter := &kernel.BalanceFilter{UsedBelow: s.Below, Limit: 1, Before: end}
	what := kernel.Balance{Data: filter}
	switch {
	case b.facts.mixed:
		what.Metadata = filter
	case s.Metadata:
		what = kernel.Balance{Metadata: filter}
	}
	p, err := b.f.Balance(ctx, what, time.Second, func(kernel.BalanceStatus) { b.tell(s) })
	return int(p.Relocated), err
}

// look reads anew how full the filesystem is.
func (b *balancer) look() error {
	u, err := b.f.Usage()
	if err != nil {
		return err
	}
	b.facts.unallocated = u.DeviceUnallocated
	b.facts.groups, err = b.f.BlockGroups()
	return err
}

func (b *balancer) tell(s stage) {
	kind := "data"
	if s.Metadata {
		kind = "metadata"
	}
	b.c.Progress(sdk.Progress{Current: int64(b.done.Relocated), Total: int64(max(b.total, b.done.Relocated)), Unit: "chunks",
		Message: fmt.Sprintf("%s used less than %d %%, %v of %v unallocated", kind, s.Below, sdk.Size(b.facts.unallocated), sdk.Size(b.private.Goal))})
}

// end records how it ended, and says it.
func (b *balancer) end(ctx context.Context, out BalanceOutput, failed error) (BalanceOutput, error) {
	var failures []error
	switch {
	case failed == nil:
	case ctx.Err() != nil:
		b.done.End = "stopped"
		failures = append(failures, ctx.Err())
	default:
		b.done.End = "failed"
		failures = append(failures, b.explain(failed))
	}
	if err := b.look(); err != nil {
		failures = append(failures, volume.Explain("", err))
	}
	b.done.Finished = b.h.Now().UTC()
	b.done.Unallocated = b.facts.unallocated
	b.done.Reclaimed = b.facts.unallocated - min(b.before, b.facts.unallocated)
	b.done.GoalMet = b.facts.unallocated >= b.private.Goal
	b.done.outputs(&out)
	if failed == nil {
		b.c.Done(0)
	}
	b.c.Summarize("%s relocated, %v reclaimed, %v unallocated", volume.Count(out.Relocated, "chunk"), out.Reclaimed, out.Unallocated)
	if failed == nil && !b.done.GoalMet {
		b.c.Warn(volume.Warn("delete what is not needed, or add a device; higher numbers in usage may help a little", "%v of btrfs %s are unallocated after the balance, less than the goal of %v",
			out.Unallocated, b.facts.name(), sdk.Size(b.private.Goal)))
	}
	err := writeRecord(b.f, balanceFile, balanceRecord{versioned{recordVersion}, b.done})
	if why := unwritable(err); why != "" {
		b.c.Warn(volume.Warn("", "btrfs %s is %s, so this balance can't be recorded", b.facts.name(), why))
	} else if err != nil {
		failures = append(failures, volume.Explain("", fmt.Errorf("the balance has ended, and that can't be recorded: %w", err)))
	}
	return out, errors.Join(failures...)
}

func (b *balancer) explain(err error) error {
	if errors.Is(err, unix.ENOSPC) {
		return volume.Refuse("free some space first: delete files or snapshots and run btrfs.sync with until_clean, or add a device for a while",
			"btrfs %s has no room to move even one chunk out of the way: %v unallocated, %s relocated before", b.facts.name(), sdk.Size(b.facts.unallocated), volume.Count(b.done.Relocated, "chunk"))
	}
	if errors.Is(err, kernel.ErrCancelled) {
		return &sdk.Error{Reason: sdk.Busy, Summary: err.Error(), Advice: "\"btrfs balance status\" tells what is left of it"}
	}
	return volume.Explain("", err)
}
