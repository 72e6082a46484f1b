package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/cmd/coppice/sandbox"
	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/subvolume"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/powercut"
	"github.com/hbohlen/coppice/runner/rehearse"
)

// disksCommand serves the disks that are recorded.
func (a *app) disksCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "disks",
		Short:  "Serve the disks of a rehearsal with power cuts; the runner calls this",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := cutdisk.Serve(); err != nil {
				return exit(exitBug, err)
			}
			return nil
		},
	}
}

func serveDisks() *exec.Cmd {
	return &exec.Cmd{Path: "/proc/self/exe", Args: []string{"coppice", "disks"}, Stderr: os.Stderr}
}

const (
	tapeLimit   = 8 << 30
	shownFailed = 20 // failures that are told of
	keptFailed  = 4  // of which the images are kept
	// outage is the time between the end of the run and the next one.
	outage = 2 * time.Minute
)

// outages is a playbook that is cut off again and again.
type outages struct {
	*performance
	cutting
	base     []*os.File // the images as they were
	tape     *os.File
	read     *cutdisk.Tape
	disks    *cutdisk.Replaying
	contents sandbox.Contents
	story    powercut.Story
	again    *performance // the run that follows
	wanted   engine.RunStatus
}

// cutPower rehearses with the writes recorded, and then tries what cuts would have left.
func (p *performance) cutPower(ctx context.Context, c cutting) (result *rehearse.Result, code int, err error) {
	o := &outages{performance: p, cutting: c}
	defer func() {
		for _, f := range append(o.base, o.tape) {
			if f != nil {
				err = errors.Join(err, f.Close())
			}
		}
	}()
	if len(p.setting.clock) == 0 { // the runs after the cuts happen at one instant, whenever they are executed
		p.setting.clock = kernel.Clock{{At: p.setting.instant, Shows: p.setting.instant}}
	}
	if result, code, err = o.record(ctx); err != nil || code != exitOK || len(result.Differences) > 0 {
		return result, code, err
	}
	if o.read, err = cutdisk.ReadTape(o.tape); err != nil {
		return nil, 0, exit(exitFailed, err)
	}
	if o.disks, err = cutdisk.Replay(serveDisks(), o.tape, imageFolder(), o.base...); err != nil {
		return nil, 0, exit(exitFailed, err)
	}
	defer func() { err = errors.Join(err, o.disks.Close()) }()
	if err := o.reference(ctx); err != nil {
		return nil, 0, exit(exitFailed, err)
	}
	if result.PowerCut, err = o.try(ctx); err != nil {
		return nil, 0, exit(exitFailed, err)
	}
	if got := p.session.signals.received(); got != nil {
		code = signalCode(got)
	}
	return result, code, nil
}

// record is the run that is cut off afterwards.
func (o *outages) record(ctx context.Context) (result *rehearse.Result, code int, err error) {
	failed := func(err error) (*rehearse.Result, int, error) { return nil, 0, exit(exitFailed, err) }
	var live []*os.File
	for _, c := range o.set.Copies {
		if err := c.Image.Attach(); err != nil {
			return failed(err)
		}
	}
	if err := o.set.Witness(ctx); err != nil {
		return failed(err)
	}
	for _, c := range o.set.Copies {
		if err := c.Image.Detach(); err != nil {
			return failed(err)
		}
		base, err := cutdisk.TempFile(imageFolder())
		if err != nil {
			return failed(err)
		}
		o.base, live = append(o.base, base), append(live, c.Image.File)
		if err := cutdisk.Copy(base, c.Image.File); err != nil {
			return failed(err)
		}
	}
	if o.tape, err = cutdisk.TempFile(imageFolder()); err != nil {
		return failed(err)
	}
	recording, err := cutdisk.Record(serveDisks(), o.tape, tapeLimit, live...)
	if err != nil {
		return failed(err)
	}
	defer func() { err = errors.Join(err, recording.Close()) }()
	o.under(recording.Server)
	defer o.under(nil)
	if err := o.set.Show(o.tree, "noatime"); err != nil {
		return failed(err)
	}
	o.emit = func(e engine.Event) {
		if text := telling(e); text != "" {
			_ = recording.Mark(text) // a server that has ended is found out by End
		}
	}
	result, code, err = o.rehearse(ctx)
	if hidden := o.set.Hide(o.tree); err != nil || hidden != nil {
		return nil, 0, exit(exitFailed, errors.Join(err, hidden))
	}
	return result, code, recording.End()
}

// telling is what a mark on the tape says of an event; "": there is none.
func telling(e engine.Event) string {
	switch e := e.(type) {
	case engine.StepStarted:
		return "in step " + stepName(e.Step)
	case engine.StepFinished:
		return ended + stepName(e.Step)
	}
	return ""
}

// ended begins the mark behind the end of a step.
const ended = "after step "

func stepName(s engine.StepRef) string {
	if s.Item != nil {
		return fmt.Sprintf("%s[%d]", s.ID, *s.Item)
	}
	return s.ID
}

// under puts the copies on the disks of a server; nil: on their images.
func (o *outages) under(s *cutdisk.Server) {
	for i, c := range o.set.Copies {
		c.Image.Under = nil
		if s != nil {
			c.Image.Under = s.Disk(i)
		}
	}
}

// reference completes the story: it looks at the beginning and the end, and runs the playbook a second time.
func (o *outages) reference(ctx context.Context) error {
	last := o.setting.clock.Shown(time.Now()).Add(outage).Truncate(time.Millisecond)
	following := *o.setting
	following.instant = last
	again := *o.performance
	again.setting, again.emit = &following, nil
	o.again = &again
	o.story.Numbers = []*regexp.Regexp{regexp.MustCompile(boot.ArchiveNumber)}
	for _, t := range []time.Time{o.setting.instant, last} {
		t = t.UTC().Truncate(time.Millisecond)
		o.story.Stamps = append(o.story.Stamps, subvolume.StampOf(t), t.Format(time.RFC3339Nano), t.Format(time.RFC3339))
	}
	for _, step := range o.run.Steps {
		if step.Withheld != "" {
			continue
		}
		for _, change := range step.Made {
			o.story.Made = append(o.story.Made, powercut.Made{Step: stepName(step.Step), Change: change})
		}
	}
	var err error
	if o.story.Before, err = o.look(ctx, cutdisk.Cut{}, nil); err != nil {
		return fmt.Errorf("cannot look at the copy: %w", err)
	}
	o.story.After, err = o.look(ctx, cutdisk.Cut{Boundary: o.read.Len()}, func() error {
		run, err := o.runAgain(ctx)
		if err != nil {
			return err
		}
		o.wanted = run.Finished.Status
		o.story.Then, err = o.set.LookInside(ctx, &o.contents)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot run the playbook a second time: %w", err)
	}
	return nil
}

// look shows a state, looks at it, and then does something with it.
func (o *outages) look(ctx context.Context, c cutdisk.Cut, then func() error) (things []rehearse.Thing, err error) {
	if err := o.disks.Cut(c); err != nil {
		return nil, err
	}
	o.under(o.disks.Server)
	defer o.under(nil)
	if err := o.set.Show(o.tree, "noatime"); err != nil {
		return nil, errors.Join(err, o.set.Hide(o.tree))
	}
	defer func() { err = errors.Join(err, o.set.Hide(o.tree)) }()
	if things, err = o.set.LookInside(ctx, &o.contents); err != nil || then == nil {
		return things, err
	}
	return things, then()
}

// runAgain runs the playbook on the copies, some time after the cut.
func (o *outages) runAgain(ctx context.Context) (*engine.Report, error) {
	o.again.setting.clock = append(o.setting.clock[:len(o.setting.clock):len(o.setting.clock)], kernel.Setting{At: time.Now(), Shows: o.again.setting.instant})
	h, err := o.again.stageHost()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	r := &runner.Runner{Host: h}
	return r.Execute(ctx, o.program, runner.Job{Mode: engine.ModeRun, Instant: o.again.setting.instant, Inputs: o.inputs, Facts: facts(), Hold: o.hold(),
		Last: o.session.last, Withhold: o.withhold}), nil
}

// try tries the cuts.
func (o *outages) try(ctx context.Context) (*rehearse.PowerCut, error) {
	for o.seed == 0 {
		o.seed = uint64(rand.Uint32())
	}
	only, err := o.one()
	if err != nil {
		return nil, err
	}
	cuts := o.read.Cuts(cutdisk.Sample{Most: o.most, Subset: o.subsets, Seed: o.seed})
	if only != nil {
		cuts.List, cuts.Chosen, cuts.Subsets = []cutdisk.Cut{*only}, 1, 0
		if only.Seed != 0 {
			cuts.Chosen, cuts.Subsets = 0, 1
		}
	}
	count := o.read.Count()
	out := &rehearse.PowerCut{Seed: o.seed, Writes: count.Writes + count.Clears, Flushes: count.Flushes, Boundaries: cuts.Boundaries, Chosen: cuts.Chosen,
		Subsets: cuts.Subsets, Failures: []rehearse.Failure{}}
	for _, c := range cuts.List {
		violations, err := o.state(ctx, c)
		if ctx.Err() != nil {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cut %v: %w", c, err)
		}
		out.Tried++
		if len(violations) == 0 {
			continue
		}
		if out.Failed++; out.Failed > shownFailed {
			continue
		}
		failure := rehearse.Failure{Cut: c.String(), Violations: violations}
		if marks, err := o.read.Marks(c.Boundary); err == nil && len(marks) > 0 {
			failure.Where = marks[len(marks)-1]
		}
		if o.keep != "" && out.Failed <= keptFailed {
			if failure.Images, err = o.save(c); err != nil {
				return nil, err
			}
		}
		out.Failures = append(out.Failures, failure)
	}
	return out, nil
}

// state tries one.
func (o *outages) state(ctx context.Context, c cutdisk.Cut) (found []rehearse.Violation, err error) {
	say := func(rule, text string) { found = append(found, rehearse.Violation{Rule: rule, Text: text}) }
	if err := o.disks.Cut(c); err != nil {
		return nil, err
	}
	o.under(o.disks.Server)
	defer o.under(nil)
	defer func() { err = errors.Join(err, o.set.Hide(o.tree)) }()
	for _, copied := range o.set.Copies {
		if err := copied.Image.Attach(); err != nil {
			return nil, err
		}
		if out, err := exec.CommandContext(ctx, "btrfs", "check", "--readonly", copied.Image.Device()).CombinedOutput(); err != nil {
			say("check", fmt.Sprintf("btrfs check: %v: %s", err, strings.TrimSpace(string(out))))
		}
	}
	if err := o.set.Show(o.tree, "noatime"); err != nil {
		say("mount", err.Error())
		return found, nil
	}
	things, err := o.set.LookInside(ctx, &o.contents)
	if err != nil {
		say("mount", err.Error())
		return found, nil
	}
	marks, err := o.read.Marks(c.Boundary)
	if err != nil {
		return nil, err
	}
	over := map[string]bool{}
	for _, m := range marks {
		if step, is := strings.CutPrefix(m, ended); is {
			over[step] = true
		}
	}
	found = append(found, o.story.Judge(things, over)...)
	run, err := o.runAgain(ctx)
	if err != nil {
		return nil, err
	}
	if run.Finished.Status != o.wanted {
		say("rerun", fmt.Sprintf("the run after the cut ends as %s instead of %s: %s", run.Finished.Status, o.wanted, complaint(run)))
	}
	if things, err = o.set.LookInside(ctx, &o.contents); err != nil {
		say("convergence", err.Error())
		return found, nil
	}
	return append(found, o.story.Converged(things)...), nil
}

// complaint is the first error of a run.
func complaint(run *engine.Report) string {
	for _, step := range run.Steps {
		for _, d := range step.Diagnostics {
			if step.Status.Bad() {
				return fmt.Sprintf("step %s: %s", step.Step.ID, d.Summary)
			}
		}
	}
	return run.Finished.Reason
}

// save keeps the images of a state, as the cut has left them.
func (o *outages) save(c cutdisk.Cut) (paths []string, err error) {
	if err := o.disks.Cut(c); err != nil {
		return nil, err
	}
	for i := range o.set.Copies {
		path := filepath.Join(o.keep, fmt.Sprintf("%s-cut-%s-disk%d.img", o.program.Playbook.Name, strings.ReplaceAll(c.String(), ":", "-"), i))
		if err := o.disks.Save(i, path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
