package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/sdk"
)

// listing is the comparison for one number of snapshots.
type listing struct {
	world                           *world
	inProcess, action, whole, btrfs *contender
}

// snapshots is how many there are.
func (l listing) snapshots() int { return l.world.each * len(sources) }

// list compares listing a thousand snapshots and ten thousand.
func (b *bench) list(ctx context.Context, w *worlds) error {
	b.note("listing snapshots")
	playbook, err := b.writePlaybook("bench-list", "steps:\n  - id: list\n    uses: btrfs.list\n"+
		"    with: {filesystem: \"${{ inputs.filesystem }}\", under: snapshots}\n")
	if err != nil {
		return err
	}
	thousand, tenThousand := b.listing(w.thousand, playbook), b.listing(w.tenThousand, playbook)
	var all []*contender
	for _, l := range []listing{thousand, tenThousand} {
		all = append(all, l.inProcess, l.btrfs, l.action, l.whole)
	}
	if err := b.inTurn(ctx, all...); err != nil {
		return err
	}
	for i, l := range []listing{thousand, tenThousand} {
		if i == 0 {
			b.section("2. List snapshots")
		}
		b.columns(fmt.Sprintf("%d snapshots, each first thing after mounting", l.snapshots()))
		for _, c := range []*contender{l.inProcess, l.btrfs, l.action, l.whole} {
			b.times(c, wall)
		}
		r := ratio(l.inProcess.of(wall).median, l.btrfs.of(wall).median)
		b.claim("listing alone : btrfs subvolume list", multiple(r), "≤ 2 ×", r <= 2)
		b.fact("whole coppice process : btrfs subvolume list", multiple(ratio(l.whole.of(wall).median, l.btrfs.of(wall).median)))
	}
	b.growth("µs for each snapshot, listing alone", thousand.inProcess, tenThousand.inProcess)
	b.growth("µs for each snapshot, btrfs.list", thousand.action, tenThousand.action)
	return nil
}

// growth compares the cost of one snapshot among a thousand with that among ten thousand.
func (b *bench) growth(what string, few, many *contender) {
	cost := func(c *contender) float64 {
		return float64(c.of(wall).median) / float64(time.Microsecond) / float64(c.world.each*len(sources))
	}
	r := cost(many) / cost(few)
	b.claim(fmt.Sprintf("%s: %.1f, then %.1f", what, cost(few), cost(many)), multiple(r), "≤ 1 × (+ 10 % noise)", r <= 1.1)
}

func (b *bench) listing(w *world, playbook string) listing {
	many := w.each * len(sources)
	return listing{
		world: w,
		inProcess: &contender{name: "kernel.Filesystem.List, in process", world: w, keeps: true,
			run: func(ctx context.Context, w *world) (spent, error) { return listInProcess(ctx, w, many) }},
		action: &contender{name: "btrfs.list, the action alone, in process", world: w, keeps: true,
			run: func(ctx context.Context, w *world) (spent, error) { return listAction(ctx, w, many) }},
		whole: &contender{name: "coppice run, a playbook of one btrfs.list", world: w, keeps: true,
			run: func(ctx context.Context, w *world) (spent, error) { return b.play(ctx, playbook, w) }},
		btrfs: &contender{name: "btrfs subvolume list -puqR", world: w, keeps: true,
			run: func(ctx context.Context, w *world) (spent, error) {
				return b.run(ctx, "btrfs", "subvolume", "list", "-puqR", w.fs.Mount)
			}},
	}
}

func listInProcess(ctx context.Context, w *world, want int) (s spent, err error) {
	err = w.with(ctx, func(top *kernel.Filesystem) error {
		runtime.GC()
		begin := time.Now()
		all, err := top.List()
		s.wall = time.Since(begin)
		if err != nil {
			return err
		}
		got := 0
		for _, of := range snapshotsOf(all) {
			got += len(of)
		}
		if got != want {
			return fmt.Errorf("it lists %d snapshots, expected %d", got, want)
		}
		return nil
	})
	return s, err
}

func listAction(ctx context.Context, w *world, want int) (spent, error) {
	inputs, err := json.Marshal(map[string]any{"filesystem": w.fs.Mount, "under": folder})
	if err != nil {
		return spent{}, err
	}
	plugin := btrfs.New()
	r := sdk.Request{ID: "bench", Run: "bench", Step: "list", Action: "list", Instant: time.Now(), Inputs: inputs}
	runtime.GC()
	begin := time.Now()
	plan, err := plugin.Plan(ctx, r)
	s := spent{wall: time.Since(begin)}
	if err != nil {
		return s, err
	}
	if len(plan.Diagnostics) > 0 {
		return s, fmt.Errorf("btrfs.list says: %s", plan.Diagnostics[0].Summary)
	}
	var out subvolume.ListOutput
	if err := json.Unmarshal(plan.Outputs, &out); err != nil {
		return s, err
	}
	managed := 0
	for _, one := range out.Subvolumes {
		if one.Managed {
			managed++
		}
	}
	if managed != want {
		return s, fmt.Errorf("btrfs.list takes %d snapshots for its own, expected %d", managed, want)
	}
	return s, nil
}
