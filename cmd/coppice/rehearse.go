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
	"github.com/hbohlen/coppice/runner/check"
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
