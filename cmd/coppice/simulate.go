package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/calendar"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/runner/simulate"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/unit"
)

// mostVirtualRuns is more than two years of a run every quarter of an hour.
const mostVirtualRuns = 100_000

type simulation struct {
	inputs inputFlags
	days   int
	every  string
	from   string
	empty  bool
}

func (a *app) simulateCommand() *cobra.Command {
	s := &simulation{}
	c := &cobra.Command{
		Use:   "simulate PLAYBOOK",
		Short: "Show what will exist when a playbook has run for some days",
		Long: "Show what will exist when a playbook has run for some days, in virtual time: it is planned at\n" +
			"one instant after the other, each on top of what the earlier ones would have changed.\n" +
			"Nothing is changed. The clock counts as right at each instant; mounts, holds and free space\n" +
			"stay as they are now.\n\n" +
			"The instants are those of the playbook's schedule, in the time zone of this machine and\n" +
			"without jitter, or every so often from the beginning on.",
		Example: "  coppice simulate snapshot-rotation --days 365\n" +
			"  coppice simulate snapshot-rotation -i retention=14d -i weekly=8 --days 90 --empty\n" +
			"  coppice simulate ./my.yaml --days 7 --every 1h --from 2026-10-24T00:00:00+02:00",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.simulate(c.Context(), s, args[0]) },
	}
	s.inputs.register(c)
	c.Flags().IntVar(&s.days, "days", 30, "how many days to simulate, of 24 hours each")
	c.Flags().StringVar(&s.every, "every", "", "a run each `duration`, such as 6h; default: by the playbook's schedule")
	c.Flags().StringVar(&s.from, "from", "", "begin at this `time` (RFC 3339); default: now")
	c.Flags().BoolVar(&s.empty, "empty", false, "begin as if what earlier runs have made on this machine did not exist")
	return c
}

func (a *app) simulate(parent context.Context, o *simulation, arg string) error {
	from := time.Now()
	if o.from != "" {
		var err error
		if from, err = unit.ParseTimestamp(o.from); err != nil {
			return usage("--from: %v", err)
		}
	}
	var every time.Duration
	if o.every != "" {
		var err error
		if every, err = unit.ParseDuration(o.every); err != nil {
			return usage("--every: %v", err)
		}
		if every < time.Second {
			return usage("--every: %s is less than a second", o.every)
		}
	}
	if o.days < 1 || o.days > 36525 {
		return usage("--days: %d is not from 1 to 36525", o.days)
	}
	s := a.session(parent)
	defer s.close()
	program, _, err := a.load(s.ctx, s.runner, arg)
	if err != nil {
		return s.stopped(err)
	}
	inputs, err := a.resolve(program, o.inputs)
	if err != nil {
		return err
	}
	instants, err := virtualInstants(program, from.UTC().Truncate(time.Millisecond), o.days, every)
	if err != nil {
		return err
	}
	virtual := sdk.VirtualExisting
	if o.empty {
		virtual = sdk.VirtualEmpty
	}
	host, hold := facts(), a.hold()
	options := a.reportOptions(program.Secrets(inputs))
	tick := a.ticker(options, len(instants))
	result, err := simulate.Simulate(s.ctx, instants, func(ctx context.Context, instant time.Time, prior []sdk.Change) *engine.Report {
		return s.runner.Execute(ctx, program, runner.Job{Mode: engine.ModePreview, Instant: instant, Inputs: inputs, Facts: host, Hold: hold,
			Prior: prior, Virtual: virtual})
	}, tick)
	if err != nil {
		if got := s.signals.received(); got != nil {
			return exit(signalCode(got), err)
		}
		return exit(exitFailed, err)
	}
	result.Playbook, result.Empty = program.Playbook.Name, o.empty
	write := report.Simulation
	if a.json {
		write = report.SimulationJSON
	}
	if err := write(options, result); err != nil {
		return exit(exitFailed, fmt.Errorf("cannot write the simulation: %w", err))
	}
	if len(result.Failures) > 0 {
		return exit(exitFailed, nil)
	}
	return nil
}

// virtualInstants lists the instants of the runs, the end left out.
func virtualInstants(p *check.Program, from time.Time, days int, every time.Duration) ([]time.Time, error) {
	end := from.Add(time.Duration(days) * unit.Day)
	next := func(t time.Time) (time.Time, bool) { return t.Add(every), true }
	first := from
	if every == 0 {
		schedule := p.Playbook.Schedule
		if schedule == nil || schedule.Calendar == "" {
			return nil, exitError{code: exitUsage, err: fmt.Errorf("the playbook has no schedule"), advice: "say how often it runs: --every 6h"}
		}
		c, err := calendar.Parse(schedule.Calendar, time.Local)
		if err != nil {
			return nil, exitError{code: exitUsage, err: fmt.Errorf("cannot tell when the playbook runs: %w", err), advice: "say how often it runs: --every 6h"}
		}
		next = c.Next
		if first, _ = c.Next(from.Add(-1)); first.IsZero() {
			first = end
		}
	}
	var all []time.Time
	for t, ok := first, true; ok && t.Before(end); t, ok = next(t) {
		if len(all) == mostVirtualRuns {
			return nil, usage("more than %d runs in %d days; simulate fewer days", mostVirtualRuns, days)
		}
		all = append(all, t.UTC())
	}
	if len(all) == 0 {
		return nil, usage("the playbook does not run in these %d days", days)
	}
	return all, nil
}

// ticker tells a person at a terminal how far the simulation is.
func (a *app) ticker(o report.Options, total int) func(int) {
	if !o.Live || a.json {
		return nil
	}
	last := time.Now()
	shown := false
	return func(done int) {
		switch {
		case done == total && shown:
			fmt.Fprint(a.err, "\r\x1b[K")
		case done < total && time.Since(last) > 100*time.Millisecond:
			last, shown = time.Now(), true
			fmt.Fprintf(a.err, "\r\x1b[K%d of %d virtual runs", done, total)
		}
	}
}
