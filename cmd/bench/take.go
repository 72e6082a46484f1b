package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// takeScript is the shell script that the product replaces; its arguments are the mount point and a name.
var takeScript = "for source in " + strings.Join(sources, " ") + `; do
	btrfs subvolume snapshot -r "$1/$source" "$1/snapshots/$source/$2" >/dev/null
done`

// take compares taking four snapshots.
func (b *bench) take(ctx context.Context, w *worlds) error {
	b.note("taking snapshots")
	more := has(w.thousand.each+1, 0)
	run := &contender{name: "coppice run snapshot-rotation", world: w.thousand, check: more,
		run: func(ctx context.Context, w *world) (spent, error) {
			return b.play(ctx, "snapshot-rotation", w, "clock=rtc")
		}}
	script := &contender{name: "bash: 4 × btrfs subvolume snapshot -r", world: w.thousand, check: more,
		run: func(ctx context.Context, w *world) (spent, error) {
			return b.shell(ctx, takeScript, w.fs.Mount, "by-hand")
		}}
	btrbk := b.peer(&contender{name: "btrbk snapshot --preserve", world: w.btrbk, check: more, run: b.btrbkTake})
	snapper := b.peer(&contender{name: "snapper --no-dbus create, 4 configurations", world: w.snapper, check: more, run: b.snapperTake})
	if err := b.inTurn(ctx, run, script, btrbk, snapper); err != nil {
		return err
	}
	b.section("1. Snapshot 4 subvolumes, 4 × 250 snapshots exist, none is old enough to expire")
	b.columns("whole process")
	for _, c := range []*contender{run, script, btrbk, snapper} {
		b.times(c, wall)
	}
	limit := script.of(wall).median + 60*time.Millisecond
	whole := run.of(wall).median
	b.claim("coppice : shell script", multiple(ratio(whole, script.of(wall).median)),
		fmt.Sprintf("≤ %s (+ 60 ms)", multiple(ratio(limit, script.of(wall).median))), whole <= limit)
	for _, c := range []*contender{btrbk, snapper} {
		if c.missing == "" {
			r := ratio(c.of(wall).median, whole)
			b.claim(c.world.form.String()+" : coppice", multiple(r), "≥ 3 ×", r >= 3)
		}
	}
	return b.takeInKernel(ctx, w)
}

func (b *bench) btrbkTake(ctx context.Context, w *world) (spent, error) {
	config, err := b.btrbkConfig(w, 400)
	if err != nil {
		return spent{}, err
	}
	return b.run(ctx, "btrbk", "-q", "-c", config, "snapshot", "--preserve")
}

func (b *bench) snapperTake(ctx context.Context, w *world) (spent, error) {
	if err := snapperConfigs(w, 400); err != nil {
		return spent{}, err
	}
	return b.shell(ctx, "for c in "+strings.Join(sources, " ")+"; do snapper --no-dbus -c $c create --cleanup-algorithm number; done")
}

// peer keeps a contender out that has no world, because its tool is not installed.
func (b *bench) peer(c *contender) *contender {
	if c.world == nil {
		c.missing = "not installed"
	}
	return c
}
