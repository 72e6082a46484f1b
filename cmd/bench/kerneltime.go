package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/sdk"
)

// repeats is how often a command runs in one copy where its kernel time is measured: the kernel samples that by ticks of
// some milliseconds, so that only many runs together tell something.
const repeats = 20

// takeInKernel compares the kernel time of the step alone. Only that of whole processes can be had, so that the same
// playbook with the step switched off is taken away. A step before it starts the plugin in both.
func (b *bench) takeInKernel(ctx context.Context, w *worlds) (err error) {
	b.note("taking snapshots: kernel time")
	playbook, err := b.writePlaybook("bench-take", "  take: {type: bool}\nsteps:\n"+
		"  - {id: look, uses: btrfs.usage, with: {filesystem: \"${{ inputs.filesystem }}\"}}\n  - id: take\n    uses: btrfs.snapshot\n    if: inputs.take\n"+
		"    with: {filesystem: \"${{ inputs.filesystem }}\", sources: ["+strings.Join(sources, ", ")+"]}\n")
	if err != nil {
		return err
	}
	same, more := has(w.thousand.each, 0), has(w.thousand.each+repeats, 0)
	with := func(take string) func(context.Context, *world, int) (spent, error) {
		return func(ctx context.Context, w *world, _ int) (spent, error) {
			return b.play(ctx, playbook, w, "take="+take)
		}
	}
	step := &contender{name: "playbook of one btrfs.snapshot", world: w.thousand, check: more, run: repeated(with("true"))}
	idle := &contender{name: "the same playbook, the step switched off", world: w.thousand, check: same, run: repeated(with("false"))}
	script := &contender{name: "bash: 4 × btrfs subvolume snapshot -r", world: w.thousand, check: more,
		run: repeated(func(ctx context.Context, w *world, i int) (spent, error) {
			return b.shell(ctx, takeScript, w.fs.Mount, fmt.Sprintf("by-hand-%d", i))
		})}
	empty := &contender{name: "bash: 4 × btrfs --version", world: w.thousand, check: same,
		run: repeated(func(ctx context.Context, _ *world, _ int) (spent, error) {
			return b.shell(ctx, `for i in 1 2 3 4; do btrfs --version >/dev/null; done`)
		})}
	action := &contender{name: "btrfs.snapshot, the action alone, in process", world: w.thousand, check: more, run: repeated(takeAction)}
	all := []*contender{step, idle, script, empty}
	for i, c := range all {
		if c.account, err = newCgroup(fmt.Sprint(i)); err != nil {
			b.printf("  Kernel time is not measured: %v\n", err)
			return nil
		}
		defer func() { err = errors.Join(err, c.account.close()) }()
	}
	if err := b.inTurn(ctx, step, idle, action, script, empty); err != nil {
		return err
	}
	return b.reportKernelTime(step, idle, action, script, empty)
}

func (b *bench) reportKernelTime(step, idle, action, script, empty *contender) error {
	b.printf("  %-*s %8s\n", nameWidth, "kernel time of all processes together, with "+fmt.Sprint(repeats)+" runs in each copy", "mean")
	mean := map[*contender]time.Duration{}
	for _, c := range []*contender{step, idle, action, script, empty} {
		var err error
		if mean[c], err = c.kernelTime(); err != nil {
			return err
		}
		b.fact(c.name, ms(mean[c]))
	}
	taken := mean[step] - mean[idle]
	r := ratio(taken, mean[script])
	b.claim("take step (step − switched off) : shell script", multiple(r), "≤ 1 ×", r <= 1)
	b.fact("the same, less starting bash and four times btrfs", multiple(ratio(taken, mean[script]-mean[empty])))
	b.fact("the action alone, in process : shell script", multiple(ratio(mean[action], mean[script])))
	return nil
}

// kernelTime is the mean of all runs of a contender that is repeated.
func (c *contender) kernelTime() (time.Duration, error) {
	if c.account != nil {
		all, err := c.account.system()
		return all / time.Duration(len(c.samples)*repeats), err
	}
	var all time.Duration
	for _, s := range c.samples {
		all += s.system
	}
	return all / time.Duration(len(c.samples)), nil
}

// repeated runs something several times in a row, in one copy, and returns the mean.
func repeated(run func(context.Context, *world, int) (spent, error)) func(context.Context, *world) (spent, error) {
	return func(ctx context.Context, w *world) (spent, error) {
		var all spent
		for i := range repeats {
			s, err := run(ctx, w, i)
			if err != nil {
				return all, err
			}
			all.wall += s.wall
			all.system += s.system
		}
		return spent{wall: all.wall / repeats, system: all.system / repeats}, nil
	}
}

// takeAction plans and applies the action in this process, which is warm: it shows what the action asks of the kernel,
// without what processes, their runtime and their first use of memory cost.
func takeAction(ctx context.Context, w *world, i int) (s spent, err error) {
	inputs, err := json.Marshal(map[string]any{"filesystem": w.fs.Mount, "sources": sources})
	if err != nil {
		return s, err
	}
	plugin := btrfs.New()
	r := sdk.Request{ID: "bench", Run: fmt.Sprintf("bench-%d", i), Step: "take", Action: "snapshot", Instant: time.Now(), Inputs: inputs}
	before, err := systemTime()
	if err != nil {
		return s, err
	}
	begin := time.Now()
	plan, err := plugin.Plan(ctx, r)
	if err != nil {
		return s, err
	}
	result, err := plugin.Apply(ctx, r, plan, func(sdk.Event) {})
	if err != nil {
		return s, err
	}
	s.wall = time.Since(begin)
	after, err := systemTime()
	s.system = after - before
	if all := append(plan.Diagnostics, result.Diagnostics...); sdk.HasErrors(all) {
		return s, errors.New(all[0].Summary)
	}
	return s, err
}

// systemTime is what this process has spent in the kernel so far.
func systemTime() (time.Duration, error) {
	var usage unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return time.Duration(usage.Stime.Nano()), err
}
