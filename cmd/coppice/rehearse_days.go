package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/runner/simulate"
	"github.com/hbohlen/coppice/sdk"
)

// days lets the playbook run at one instant after the other, really, and simulates the same before that.
//
// Between two runs the clock of the sandbox leaps: what a plugin sees as the time, and what it sees of the times that btrfs has noted, is a
// function of the kernel's time that is put together while it goes on. So no run waits, and every snapshot is as old as it would be.
func (p *performance) days(ctx context.Context, instants []time.Time, tick func(done int)) (*rehearse.Timeline, error) {
	h, err := p.stageHost()
	if err != nil {
		return nil, exit(exitFailed, err)
	}
	defer h.Close()
	r := &runner.Runner{Host: h}
	layouts, before, err := p.set.Look(ctx)
	if err != nil {
		return nil, exit(exitFailed, fmt.Errorf("cannot look at the copy: %w", err))
	}
	job := runner.Job{Inputs: p.inputs, Facts: facts(), Hold: p.hold(), Last: p.session.last, Withhold: p.withhold}
	virtual := job
	virtual.Mode, virtual.Virtual = engine.ModePreview, sdk.VirtualExisting
	simulated, err := simulate.Simulate(ctx, instants, func(ctx context.Context, instant time.Time, prior []sdk.Change) *engine.Report {
		one := virtual
		one.Instant, one.Prior = instant, prior
		return r.Execute(ctx, p.program, one)
	}, nil)
	if err != nil {
		return nil, err
	}
	job.Mode = engine.ModeRun
	var leapt error
	happened, err := simulate.Simulate(ctx, instants, func(ctx context.Context, instant time.Time, _ []sdk.Change) *engine.Report {
		leapt = errors.Join(leapt, p.leap(instant))
		one := job
		one.Instant = instant
		return made(r.Execute(ctx, p.program, one))
	}, tick)
	if err = errors.Join(err, leapt); err != nil {
		return nil, err
	}
	happened.Playbook = p.program.Playbook.Name
	_, after, err := p.set.Look(p.session.last)
	if err != nil {
		return nil, exit(exitFailed, fmt.Errorf("cannot look at the copy: %w", err))
	}
	t := rehearse.CompareDays(simulated, happened, before, after)
	for i, c := range p.set.Copies {
		t.Copies = append(t.Copies, copyOf(p.setting.names[i], c, layouts[i]))
	}
	t.Notes = append(t.Notes, p.setting.notes...)
	return t, nil
}

// made is a report in which only that counts as planned which was made.
func made(r *engine.Report) *engine.Report {
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Withheld == "" {
			s.Planned.Changes = s.Made
		}
	}
	return r
}

// leap sets the clock of the sandbox, after what has happened so far, so that nothing older is seen as later.
func (p *performance) leap(to time.Time) error {
	// btrfs notes times by the coarse clock, which stands still between two ticks.
	last, err := coarse()
	if err != nil {
		return err
	}
	now := last
	for !now.After(last) {
		time.Sleep(time.Millisecond)
		if now, err = coarse(); err != nil {
			return err
		}
	}
	p.setting.clock = append(p.setting.clock, kernel.Setting{At: now, Shows: to})
	return p.tie()
}

func coarse() (time.Time, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &t); err != nil {
		return time.Time{}, fmt.Errorf("cannot read the clock: %w", err)
	}
	return time.Unix(t.Unix()), nil
}
