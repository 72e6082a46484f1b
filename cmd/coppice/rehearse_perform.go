package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/sandbox"
	"github.com/hbohlen/coppice/plugins/btrfs/replica"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/runner/report"
)

// perform rehearses, and writes what that has shown.
func (p *performance) perform(o *rehearsal) (code int, err error) {
	if o.days > 0 {
		options := p.reportOptions(p.program.Secrets(p.inputs))
		every, err := o.interval()
		if err != nil {
			return 0, err
		}
		instants, err := virtualInstants(p.program, p.setting.instant.UTC().Truncate(time.Millisecond), o.days, every)
		if err != nil {
			return 0, err
		}
		timeline, err := p.days(p.session.ctx, instants, p.ticker(options, len(instants)))
		if got := p.session.signals.received(); err != nil && got != nil {
			return 0, exit(signalCode(got), err)
		}
		if err != nil {
			return 0, exit(exitFailed, err)
		}
		write := report.Timeline
		if p.json {
			write = report.TimelineJSON
		}
		if len(timeline.Differences) > 0 || len(timeline.Happened.Failures) > 0 {
			code = exitFailed
		}
		if err := write(options, timeline); err != nil {
			return 0, exit(exitFailed, fmt.Errorf("cannot write the rehearsal: %w", err))
		}
		return code, nil
	}
	result, code, err := p.rehearse(p.session.ctx)
	if err != nil {
		return 0, err
	}
	return p.write(result, code)
}

// write writes what a rehearsal has shown; the exit code is that of the run or worse.
func (p *performance) write(result *rehearse.Result, code int) (int, error) {
	write := report.Rehearsal
	if p.json {
		write = report.RehearsalJSON
	}
	if err := write(p.reportOptions(p.program.Secrets(p.inputs)), result); err != nil {
		return 0, exit(exitFailed, fmt.Errorf("cannot write the rehearsal: %w", err))
	}
	if len(result.Differences) > 0 || result.PowerCut != nil && result.PowerCut.Failed > 0 {
		code = max(code, exitFailed)
	}
	return code, nil
}

// notBuilt is the exit for copies that could not be made.
func (s *session) notBuilt(err error) error {
	if got := s.signals.received(); got != nil {
		return exit(signalCode(got), errors.New("stopped before the first step"))
	}
	return exit(exitFailed, fmt.Errorf("cannot copy the layout: %w", err))
}

// performance is a playbook on copies: what a rehearsal does once, or again and again.
type performance struct {
	*app
	session  *session
	tree     *sandbox.Tree
	set      *sandbox.Set
	setting  *setting
	program  *check.Program
	inputs   map[string]any
	withhold func(plugin, action string) string
	between  func(*performance) // of tests: is called when plan and first look are done
	emit     func(engine.Event) // of the run; nil: nobody listens
	run      *engine.Report     // that rehearse has made
}

// meddle is what a test does to the copies between plan and run; nil: nothing.
var meddle func(*performance)

// tie tells the plugins in the sandbox what they are tied to now.
func (p *performance) tie() error {
	data, err := json.Marshal(p.set.Confinement(p.setting.elsewhere, p.setting.clock))
	if err != nil {
		return err
	}
	return p.tree.File(confinementFile, data)
}

// stageHost makes the host of the plugins: those that the sandbox holds are in it, the others see the machine. Close it.
func (p *performance) stageHost() (*host.Host, error) {
	if err := p.tie(); err != nil {
		return nil, err
	}
	sources := p.sources()
	for i := range sources {
		if held[sources[i].Name] {
			sources[i].Args = []string{"coppice", "enter", sources[i].Name}
		}
	}
	log := func(plugin, level, message string) {
		if level == "warn" || level == "error" {
			fmt.Fprintf(p.complaints(syslogWarning), "%s: %s\n", plugin, message)
		}
	}
	return host.New(host.Options{Sources: sources, Log: log, LockDir: sandbox.Home + "/locks", SocketDir: sandbox.Sockets}), nil
}

// rehearse previews and runs the playbook once, and looks at the copies before and after.
func (p *performance) rehearse(ctx context.Context) (*rehearse.Result, int, error) {
	h, err := p.stageHost()
	if err != nil {
		return nil, 0, exit(exitFailed, err)
	}
	defer h.Close()
	r := &runner.Runner{Host: h}
	layouts, before, err := p.set.Look(ctx)
	if err != nil {
		return nil, 0, exit(exitFailed, fmt.Errorf("cannot look at the copy: %w", err))
	}
	job := runner.Job{Mode: engine.ModePreview, Instant: p.setting.instant, Inputs: p.inputs, Facts: facts(), Hold: p.hold(), Last: p.session.last}
	plan := r.Execute(ctx, p.program, job)
	if p.between != nil {
		p.between(p)
	}
	job.Mode, job.Withhold, job.Emit = engine.ModeRun, p.withhold, p.emit
	run := r.Execute(ctx, p.program, job)
	_, after, err := p.set.Look(p.session.last)
	if err != nil {
		return nil, 0, exit(exitFailed, fmt.Errorf("cannot look at the copy: %w", err))
	}
	p.run = run
	result := rehearse.Compare(plan, run, before, after)
	for i, c := range p.set.Copies {
		result.Copies = append(result.Copies, copyOf(p.setting.names[i], c, layouts[i]))
	}
	result.Notes = append(result.Notes, p.setting.notes...)
	return result, runCode(run, p.session.signals.received()), nil
}

func copyOf(name string, c *sandbox.Copy, l replica.Filesystem) rehearse.Copy {
	out := rehearse.Copy{Name: name, Original: string(c.Layout.UUID), UUID: c.UUID.String()}
	for _, sub := range l.Subvolumes {
		if sub.Parent != "" {
			out.Snapshots++
		} else {
			out.Subvolumes++
		}
	}
	return out
}
