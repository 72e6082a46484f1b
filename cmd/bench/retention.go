package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/sdk"
)

// rules keep about a third of the snapshots of the worlds, by rules of each kind.
const rules = `"within":"48h","last":4,"hourly":24,"daily":14,"weekly":8,"monthly":12,"yearly":2,"timezone":"Europe/Berlin","fresh_within":"30d"`

// retention measures deciding about a thousand snapshots and about ten thousand, and a year of simulated runs.
func (b *bench) retention(ctx context.Context, w *worlds) error {
	b.note("planning the retention of snapshots")
	playbook, err := b.writePlaybook("bench-plan", "steps:\n  - id: expire\n    uses: btrfs.prune\n"+
		"    with: {filesystem: \"${{ inputs.filesystem }}\", clock: rtc, "+strings.ReplaceAll(rules, `":`, `": `)+"}\n")
	if err != nil {
		return err
	}
	if err := w.thousand.restore(ctx); err != nil {
		return err
	}
	var decide, whole []*contender
	for _, one := range []*world{w.thousand, w.tenThousand} {
		many := one.each * len(sources)
		decide = append(decide, &contender{name: fmt.Sprintf("plan of btrfs.prune, the action alone, %d snapshots", many), world: one, keeps: true,
			run: func(ctx context.Context, w *world) (spent, error) { return planPrune(ctx, w, many) }})
		whole = append(whole, &contender{name: fmt.Sprintf("coppice plan, a playbook of one btrfs.prune, %d snapshots", many), world: one, keeps: true,
			run: func(ctx context.Context, w *world) (spent, error) {
				return b.run(ctx, b.coppice, "plan", playbook, "-i", "filesystem="+w.fs.Mount)
			}})
	}
	year := &contender{name: "coppice simulate snapshot-rotation, a year of a run every 6 h", world: w.thousand, keeps: true,
		run: func(ctx context.Context, w *world) (spent, error) {
			return b.run(ctx, b.coppice, "simulate", "snapshot-rotation", "--days", "365", "--every", "6h", "-i", "filesystem="+w.fs.Mount,
				"-i", "retention=2d", "-i", "daily=14", "-i", "weekly=8", "-i", "monthly=12")
		}}
	if err := b.inTurn(ctx, append(append(decide, whole...), year)...); err != nil {
		return err
	}
	b.section("4. Decide which snapshots stay")
	b.columns("each first thing after mounting")
	for i := range decide {
		b.times(decide[i], wall)
		b.times(whole[i], wall)
	}
	b.times(year, wall)
	b.growth("µs for each snapshot, plan of btrfs.prune", decide[0], decide[1])
	b.fact("ms for each of the 1460 simulated runs", ms(year.of(wall).median/1460))
	return nil
}

func planPrune(ctx context.Context, w *world, want int) (spent, error) {
	inputs := fmt.Sprintf(`{"filesystem":%q,"clock":"rtc",%s}`, w.fs.Mount, rules)
	plugin := btrfs.New()
	r := sdk.Request{ID: "bench", Run: "bench", Step: "expire", Action: "prune", Instant: time.Now(), Inputs: json.RawMessage(inputs)}
	runtime.GC()
	begin := time.Now()
	plan, err := plugin.Plan(ctx, r)
	s := spent{wall: time.Since(begin)}
	if err != nil {
		return s, err
	}
	if len(plan.Diagnostics) > 0 {
		return s, fmt.Errorf("btrfs.prune says: %s", plan.Diagnostics[0].Summary)
	}
	if n := len(plan.Changes) + len(plan.Kept); n != want || len(plan.Changes) == 0 || len(plan.Kept) < 4*20 {
		return s, fmt.Errorf("it did the wrong thing: it decides about %d snapshots, %d of them to go", n, len(plan.Changes))
	}
	return s, nil
}
