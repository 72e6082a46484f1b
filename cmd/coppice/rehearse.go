package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/cmd/coppice/sandbox"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/replica"
	"github.com/hbohlen/coppice/runner"
	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/host"
	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk/unit"
)

// rehearsal is what a rehearsal is asked for.
type rehearsal struct {
	inputs inputFlags
	at     string
	allow  []string
	layout string // file to take it from; "": the machine
	save   string // file to save it in, instead of rehearsing
	days   int    // 0: one run
	every  string
	keep   bool
	shell  bool
	cut    cutting
	// unmounted: as in an initrd
	unmounted bool
}

func (a *app) rehearseCommand() *cobra.Command {
	r := &rehearsal{}
	c := &cobra.Command{
		Use:   "rehearse PLAYBOOK",
		Short: "Execute a playbook on a throw-away copy of this machine's layout",
		Long: "Execute a playbook, really, on a throw-away copy of the layout of the filesystem that its inputs\n" +
			"name: the same subvolumes, snapshots, ages, properties, quotas and records, without the files.\n" +
			"The copy is a btrfs on a sparse file, in a sandbox that nothing else is in. What was planned\n" +
			"and what happened are shown side by side, and any difference is a failure.\n\n" +
			"Where the inputs name no btrfs, the layout of an example is taken.\n\n" +
			"With --cut-power the writes to the copy are recorded. For each moment at which the power could have\n" +
			"gone, what the disk would hold is made, checked, mounted, compared, and the playbook is run again.\n\n" +
			"Steps of plugins that a sandbox can't hold are planned, shown and not applied. Nothing of the\n" +
			"sandbox is left when this command is over, however it ends.",
		Example: "  coppice rehearse snapshot-rotation\n" +
			"  coppice rehearse ./my.yaml -i filesystem=LABEL=server --at 2027-01-01T00:00:00Z\n" +
			"  coppice rehearse snapshot-rotation --days 365\n" +
			"  coppice rehearse snapshot-rotation --save-layout server.json\n" +
			"  coppice rehearse snapshot-rotation --layout server.json --shell\n" +
			"  coppice rehearse ./my.yaml --cut-power",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			if err := r.cut.check(c.Flags(), r); err != nil {
				return err
			}
			if !sandbox.Inside() {
				return a.enterStage()
			}
			return a.rehearse(c.Context(), r, args[0])
		},
	}
	r.inputs.register(c)
	c.Flags().StringVar(&r.at, "at", "", "rehearse as if it were this `time` (RFC 3339)")
	r.cut.register(c)
	c.Flags().StringSliceVar(&r.allow, "allow", nil, "apply the steps of this `plugin` too, for real and on this machine")
	c.Flags().StringVar(&r.layout, "layout", "", "copy the layout in a `file`, instead of this machine's")
	c.Flags().StringVar(&r.save, "save-layout", "", "save the layout in a `file`, or - for standard output, and execute nothing")
	c.Flags().IntVar(&r.days, "days", 0, "run it as its schedule says for so many days, in leaps, and show what there is in the end")
	c.Flags().StringVar(&r.every, "every", "", "with --days, a run each `duration`, such as 6h; default: by the playbook's schedule")
	c.Flags().BoolVar(&r.unmounted, "unmounted", false, "mount none of the subvolumes, as in the initrd: for boot-rollback")
	c.Flags().BoolVar(&r.keep, "keep", false, "keep the images of the copies, and say where")
	c.Flags().BoolVar(&r.shell, "shell", false, "open a shell in the sandbox when it has happened")
	return c
}

// check says what is wrong with the flags.
func (o *rehearsal) check() error {
	if _, err := o.instantOf(); err != nil {
		return err
	}
	switch {
	case o.days < 0 || o.days > 36525:
		return usage("--days: %d is not from 1 to 36525", o.days)
	case o.every != "" && o.days == 0:
		return usage("--every goes with --days")
	case o.save != "" && (o.layout != "" || o.days > 0 || o.keep || o.shell || o.at != ""):
		return usage("--save-layout executes nothing: it goes with inputs only")
	}
	_, err := o.interval()
	return err
}

// interval is the time between two runs of --days; 0: by the schedule.
func (o *rehearsal) interval() (time.Duration, error) {
	if o.every == "" {
		return 0, nil
	}
	every, err := unit.ParseDuration(o.every)
	if err != nil {
		return 0, usage("--every: %v", err)
	}
	if every < time.Second {
		return 0, usage("--every: %s is less than a second", o.every)
	}
	return every, nil
}

// enterStage executes this command again in a sandbox.
func (a *app) enterStage() error {
	code, err := sandbox.Start(os.Args)
	switch {
	case errors.Is(err, sandbox.ErrNotPermitted):
		return exitError{code: exitNotPermitted, err: fmt.Errorf("cannot rehearse: %w", err),
			advice: "call it as root: it changes nothing outside of its sandbox. Without root there are plan and simulate"}
	case err != nil:
		return exit(exitFailed, fmt.Errorf("cannot rehearse: %w", err))
	case code != exitOK:
		return exit(code, nil)
	}
	return nil
}

// enterCommand is what the stage starts its plugins with.
func (a *app) enterCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "enter PLUGIN",
		Short:  "Serve a built-in plugin in the sandbox of a rehearsal; the runner calls this",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == shellName {
				return exit(exitBug, sandbox.Enter("/bin/sh", []string{"sh"}, os.Environ()))
			}
			env := append(os.Environ(), confinementVariable+"="+confinementFile)
			return exit(exitBug, sandbox.Enter("/proc/self/exe", []string{"coppice", "plugin", "serve", args[0]}, env))
		},
	}
}

// A plugin in the sandbox finds there what it is tied to.
const (
	confinementVariable = "COPPICE_CONFINEMENT"
	confinementFile     = sandbox.Extra + "/confinement.json"
)

// confine ties this process, a plugin, to what it may open.
func confine() error {
	file := os.Getenv(confinementVariable)
	if file == "" {
		return nil
	}
	var last os.FileInfo
	var c *kernel.Confinement
	var mu sync.Mutex
	ask := func() (*kernel.Confinement, error) {
		mu.Lock()
		defer mu.Unlock()
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if last != nil && os.SameFile(last, info) {
			return c, nil
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		read := new(kernel.Confinement)
		if err := json.Unmarshal(data, read); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		last, c = info, read
		return c, nil
	}
	kernel.ConfineBy(ask)
	_, err := ask()
	return err
}

// held are the plugins that a sandbox can hold: all that they touch is in it. Steps of all others are planned only.
var held = map[string]bool{"btrfs": true}

// withhold says why a step is not applied in a rehearsal.
func (r *rehearsal) withhold(plugin, _ string) string {
	if held[plugin] {
		return ""
	}
	for _, name := range r.allow {
		if name == plugin {
			return ""
		}
	}
	return fmt.Sprintf("the sandbox does not hold what %s changes", plugin)
}

func (a *app) rehearse(parent context.Context, o *rehearsal, arg string) (err error) {
	tree, err := sandbox.Prepare()
	if err != nil {
		return exit(exitFailed, fmt.Errorf("cannot make the sandbox: %w", err))
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
	if o.save != "" {
		return a.saveLayout(s.ctx, o.save, program, inputs)
	}
	set, where, err := a.build(s, o, program, inputs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	set.Unmounted = o.unmounted
	p := &performance{app: a, session: s, tree: tree, set: set, setting: where, program: program, inputs: inputs, withhold: o.withhold, between: meddle}
	if o.cut.power {
		result, code, err := p.cutPower(s.ctx, o.cut)
		if err != nil {
			return err
		}
		if code, err = p.write(result, code); err != nil || code == exitOK {
			return err
		}
		return exit(code, nil)
	}
	if err := set.Show(tree, mountOptions); err != nil {
		return exit(exitFailed, err)
	}
	code, err := p.perform(o)
	if err == nil && (o.keep || o.shell) {
		err = p.after(o)
	}
	if err = errors.Join(err, set.Hide(tree)); err != nil {
		return err
	}
	if code != exitOK {
		return exit(code, nil)
	}
	return nil
}

// mountOptions are those of the copies while the playbook is executed: nobody cuts the power, so that nothing has to be flushed.
const mountOptions = "noatime,nobarrier"

// build makes the copies.
func (a *app) build(s *session, o *rehearsal, p *check.Program, inputs map[string]any) (*sandbox.Set, *setting, error) {
	where, err := a.setting(s.ctx, o, p, inputs)
	if err != nil {
		return nil, nil, err
	}
	folder := imageFolder()
	stay := []string{folder}
	if o.cut.keep != "" {
		keep, err := filepath.Abs(o.cut.keep)
		if err != nil {
			return nil, nil, exit(exitFailed, err)
		}
		stay = append(stay, keep)
	}
	if err := sandbox.Leave(stay...); err != nil {
		return nil, nil, exit(exitFailed, err)
	}
	if err := enough(folder, where.layout); err != nil {
		return nil, nil, err
	}
	set, err := sandbox.Build(s.ctx, where.layout, folder, imageSize, where.stored, nil)
	if err != nil {
		return nil, nil, s.notBuilt(err)
	}
	return set, where, nil
}

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

// instantOf is when a rehearsal is to happen; zero: now.
func (o *rehearsal) instantOf() (time.Time, error) {
	if o.at == "" {
		return time.Time{}, nil
	}
	t, err := unit.ParseTimestamp(o.at)
	if err != nil {
		return t, usage("--at: %v", err)
	}
	return t, nil
}
