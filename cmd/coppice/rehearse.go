package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
	cut    cutting
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
			"Steps of plugins that a sandbox can't hold are planned, shown and not applied.",
		Example: "  coppice rehearse snapshot-rotation\n" +
			"  coppice rehearse ./my.yaml -i filesystem=LABEL=server --at 2027-01-01T00:00:00Z",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.cut.check(c.Flags()); err != nil {
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
	return c
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
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c := new(kernel.Confinement)
	if err := json.Unmarshal(data, c); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	kernel.Confine(c)
	return nil
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
	setting, err := a.setting(s.ctx, o, program, inputs)
	if err != nil {
		return err
	}
	set, err := sandbox.Build(s.ctx, setting.layout, imageFolder(), imageSize, setting.stored, nil)
	if err != nil {
		return s.notBuilt(err)
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	performance := &performance{app: a, session: s, tree: tree, set: set, setting: setting, program: program, inputs: inputs, withhold: o.withhold}
	perform := performance.once
	if o.cut.power {
		perform = func(ctx context.Context) (*rehearse.Result, int, error) { return performance.cutPower(ctx, o.cut) }
	}
	result, code, err := perform(s.ctx)
	if err != nil {
		return err
	}
	write := report.Rehearsal
	if a.json {
		write = report.RehearsalJSON
	}
	if err := write(a.reportOptions(program.Secrets(inputs)), result); err != nil {
		return exit(exitFailed, fmt.Errorf("cannot write the rehearsal: %w", err))
	}
	if len(result.Differences) > 0 || result.PowerCut != nil && result.PowerCut.Failed > 0 {
		code = max(code, exitFailed)
	}
	if code != exitOK {
		return exit(code, nil)
	}
	return nil
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
	emit     func(engine.Event) // of the run; nil: nobody listens

	before, after []rehearse.Thing // what rehearse saw
	run           *engine.Report   // what it did
}

// once shows the copies, and rehearses.
func (p *performance) once(ctx context.Context) (result *rehearse.Result, code int, err error) {
	if err := p.set.Show(p.tree, "noatime,nobarrier"); err != nil {
		return nil, 0, exit(exitFailed, err)
	}
	defer func() { err = errors.Join(err, p.set.Hide(p.tree)) }()
	return p.rehearse(ctx)
}

// stageHost makes the host of the plugins: those that the sandbox holds are in it, the others see the machine. Close it.
func (p *performance) stageHost() (*host.Host, error) {
	confinement := p.set.Confinement(p.setting.elsewhere, p.setting.clock)
	data, err := json.Marshal(confinement)
	if err != nil {
		return nil, err
	}
	if err := p.tree.File(confinementFile, data); err != nil {
		return nil, err
	}
	var sources []host.Source
	for _, plugin := range builtins() {
		source := host.Source{Name: plugin.Name, Path: "/proc/self/exe", Args: []string{"coppice", "plugin", "serve", plugin.Name}}
		if held[plugin.Name] {
			source.Args = []string{"coppice", "enter", plugin.Name}
		}
		sources = append(sources, source)
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
	job.Mode, job.Withhold, job.Emit = engine.ModeRun, p.withhold, p.emit
	run := r.Execute(ctx, p.program, job)
	_, after, err := p.set.Look(p.session.last)
	if err != nil {
		return nil, 0, exit(exitFailed, fmt.Errorf("cannot look at the copy: %w", err))
	}
	p.before, p.after, p.run = before, after, run
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
