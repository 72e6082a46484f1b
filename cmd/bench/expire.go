package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

// expire compares deleting 500 of a thousand snapshots, and measures when their space is free.
func (b *bench) expire(ctx context.Context, w *worlds) error {
	b.note("expiring snapshots")
	keep := w.thousand.each / 2
	if err := w.thousand.restore(ctx); err != nil {
		return err
	}
	existing, err := w.thousand.snapshots(ctx)
	if err != nil {
		return err
	}
	var doomed []string
	stay := map[string][]string{}
	for _, source := range sources {
		all := existing[source] // oldest first, as the names are stamps
		stay[source] = all[len(all)-keep:]
		for _, path := range all[:len(all)-keep] {
			doomed = append(doomed, w.thousand.fs.Path(path))
		}
	}
	playbook, err := b.writePlaybook("bench-prune", fmt.Sprintf("steps:\n  - id: expire\n    uses: btrfs.prune\n"+
		"    with: {filesystem: \"${{ inputs.filesystem }}\", last: %d, clock: rtc}\n", keep))
	if err != nil {
		return err
	}
	rightOnes := hasJust(stay)
	prune := &contender{name: "coppice run, a playbook of one btrfs.prune", world: w.thousand, check: rightOnes,
		run: untilFree(func(ctx context.Context, w *world) (spent, error) { return b.play(ctx, playbook, w) })}
	plain := &contender{name: "btrfs subvolume delete, 500 paths", world: w.thousand, check: rightOnes,
		run: func(ctx context.Context, w *world) (spent, error) {
			return b.run(ctx, "btrfs", slices.Concat([]string{"subvolume", "delete"}, doomed)...)
		}}
	durable := &contender{name: "btrfs subvolume delete --commit-after, 500 paths", world: w.thousand, check: rightOnes,
		run: untilFree(func(ctx context.Context, w *world) (spent, error) {
			return b.run(ctx, "btrfs", slices.Concat([]string{"subvolume", "delete", "--commit-after"}, doomed)...)
		})}
	// btrbk counts calendar days: one more or less of each if midnight has come since its world was made.
	btrbk := b.peer(&contender{name: "btrbk prune", world: w.btrbk, check: has(keep, 1),
		run: func(ctx context.Context, w *world) (spent, error) {
			config, err := b.btrbkConfig(w, keep)
			if err != nil {
				return spent{}, err
			}
			return b.run(ctx, "btrbk", "-q", "-c", config, "prune")
		}})
	snapper := b.peer(&contender{name: "snapper --no-dbus cleanup number, 4 configurations", world: w.snapper, check: has(keep, 0),
		run: func(ctx context.Context, w *world) (spent, error) {
			if err := snapperConfigs(w, keep); err != nil {
				return spent{}, err
			}
			return b.shell(ctx, "for c in "+strings.Join(sources, " ")+"; do snapper --no-dbus -c $c cleanup number; done")
		}})
	all := []*contender{prune, plain, durable, btrbk, snapper}
	if err := b.inTurn(ctx, all...); err != nil {
		return err
	}
	b.reportExpire(prune, plain, durable, all)
	return nil
}

func (b *bench) reportExpire(prune, plain, durable *contender, all []*contender) {
	b.section("3. Expire 500 of 4 × 250 snapshots")
	b.columns("whole process")
	for _, c := range all {
		b.times(c, wall)
	}
	mine, theirs := prune.of(wall).median, plain.of(wall).median
	limit := time.Duration(1.3*float64(theirs)) + 60*time.Millisecond
	b.claim("coppice : btrfs subvolume delete", multiple(ratio(mine, theirs)),
		fmt.Sprintf("≤ %s (1.3 × + 60 ms)", multiple(ratio(limit, theirs))), mine <= limit)
	for _, c := range all {
		if c != prune && c != plain && c.missing == "" {
			b.fact(c.name+" : coppice", multiple(ratio(c.of(wall).median, mine)))
		}
	}
	b.columns("from the end of the command until the space is free")
	b.times(prune, freed)
	b.times(durable, freed)
	b.claim("coppice, until the space is free", ms(prune.of(freed).median)+" ms", "≤ 2 s", prune.of(freed).median <= 2*time.Second)
}

// untilFree measures how long after its end the cleaner works on what a command deleted.
func untilFree(run func(context.Context, *world) (spent, error)) func(context.Context, *world) (spent, error) {
	return func(ctx context.Context, w *world) (spent, error) {
		s, err := run(ctx, w)
		if err != nil {
			return s, err
		}
		end := time.Now()
		limit, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		err = w.with(limit, func(top *kernel.Filesystem) error {
			orphans, err := top.Orphans()
			if err != nil {
				return err
			}
			return top.WaitCleaned(limit, orphans, 10*time.Millisecond, nil)
		})
		s.freed = time.Since(end)
		return s, err
	}
}
