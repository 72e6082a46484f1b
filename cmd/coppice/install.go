package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/cmd/coppice/install/unitfile"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host/trust"
)

// installFlags are what install and uninstall have in common, for playbooks and for what else can be installed.
type installFlags struct {
	root  string
	print bool
	yes   bool
	force bool
}

func (f *installFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.root, "root", "/", "the `folder` of an image, taken for its root; no service manager is told")
	c.Flags().BoolVar(&f.print, "print", false, "only print what would be done")
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "do it without asking")
	c.Flags().BoolVar(&f.force, "force", false, "replace or delete also what somebody has changed by hand")
}

// live reports whether it is about the running machine.
func (f *installFlags) live() bool { return filepath.Clean(f.root) == "/" }

// at is a path of the target as it is to be found here.
func (f *installFlags) at(path string) string { return filepath.Join(f.root, path) }

// open opens the target, and looks for the configuration there.
func (f *installFlags) open(a *app) (*install.Target, error) {
	if !f.live() {
		a.configs = f.at("/etc/coppice")
	}
	t, err := install.Open(f.root)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, exitError{code: exitNotPermitted, err: err, advice: "run as root"}
	case err != nil:
		return nil, exit(exitFailed, err)
	}
	return t, nil
}

// nixos reports whether the target is NixOS, where /etc is made from the configuration.
func (f *installFlags) nixos() bool {
	_, err := os.Lstat(f.at("/etc/NIXOS"))
	return err == nil
}

// apply shows changes, asks, and makes them. It reports whether anything was written.
func (f *installFlags) apply(a *app, t *install.Target, changes []install.Change, before func()) (bool, error) {
	if _, err := fmt.Fprint(a.out, install.Diff(changes, f.force)); err != nil {
		return false, exit(exitFailed, err)
	}
	if f.print {
		return false, f.kept(a, changes)
	}
	if install.Pending(changes, f.force) && !f.yes {
		if agreed, err := a.agrees(); err != nil || !agreed {
			return false, err
		}
	}
	if before != nil {
		before()
	}
	if err := t.Write(changes, f.force, version()); err != nil {
		failure := exitError{code: exitFailed, err: fmt.Errorf("cannot install: %w", err)}
		if errors.Is(err, fs.ErrPermission) {
			failure.code, failure.advice = exitNotPermitted, "run as root"
		}
		return true, failure
	}
	return install.Pending(changes, f.force), f.kept(a, changes)
}

// kept says what was left as it is.
func (f *installFlags) kept(a *app, changes []install.Change) error {
	kept := install.Kept(changes, f.force)
	for _, c := range kept {
		fmt.Fprintf(a.err, "coppice: %s %s, and is kept as it is\n", diagnostic.Escape(f.at(c.File.Path)), c.Touched)
	}
	if len(kept) == 0 {
		return nil
	}
	return exitError{code: exitFailed, err: errors.New("not everything is as it was asked for"), advice: "--force replaces, or deletes, what was changed by hand too"}
}

// program is the path that units call coppice by.
func (f *installFlags) program(given string) (string, error) {
	program := given
	if program == "" {
		self, err := os.Executable()
		if err != nil {
			return "", exit(exitFailed, err)
		}
		program = self
		if strings.HasPrefix(program, "/nix/store/") { // which is gone one day
			program = "/run/current-system/sw/bin/coppice"
		}
	}
	if !filepath.IsAbs(program) {
		return "", usage("--program %q is no absolute path", program)
	}
	if !f.live() || os.Geteuid() != 0 {
		return program, nil
	}
	opened, err := trust.Open(program, owners()...)
	var refused *trust.Error
	switch {
	case errors.As(err, &refused):
		return "", exitError{code: exitFailed, err: fmt.Errorf("a timer would run %w", err),
			advice: "put the program where only root can write, such as /usr/local/bin/coppice, and call install from there"}
	case err != nil:
		return "", exit(exitFailed, fmt.Errorf("cannot look at the program that a timer would run: %w", err))
	}
	return program, opened.Close()
}

func (a *app) installCommand() *cobra.Command {
	var f installFlags
	o := installing{flags: &f}
	c := &cobra.Command{
		Use:   "install [PLAYBOOK…]",
		Short: "Let systemd run playbooks by their schedules",
		Long: "Write a service and a timer for each playbook, show them first, and start the timers. Without PLAYBOOK, write\n" +
			"those anew that are installed: after an upgrade, or after a change of their inputs, which decide about what a\n" +
			"service may do.\n\n" +
			"Inputs go to /etc/coppice/inputs/NAME.yaml. A secret is never written there: -i name=@/path/to/file makes the unit\n" +
			"read that file as a credential at each run, see systemd.exec(5). A playbook of your own must lie in\n" +
			"/etc/coppice/playbooks; it is called by its name.\n\n" +
			"On NixOS nothing is written: a module is printed that does the same.",
		Example: "  coppice install snapshot-rotation -i retention=14d\n" +
			"  coppice install monthly-maintenance -i notify_url=@/etc/coppice/credentials/notify_url\n" +
			"  coppice install --print snapshot-rotation",
		RunE: func(c *cobra.Command, args []string) error { return a.install(c.Context(), &o, args) },
	}
	f.register(c)
	o.inputs.register(c)
	c.Flags().StringVar(&o.calendar, "calendar", "", "when to run, instead of the playbook's schedule: a calendar `expression` as systemd.time(7) has it")
	c.Flags().StringVar(&o.program, "program", "", "the `path` of coppice on the machine; else that of this program")
	c.AddCommand(a.installBootCommand())
	c.Flags().StringVar(&o.tell, "tell", "", "a `file` with a URL, as notify_url takes it, that is told of what no run could tell itself")
	return c
}

func (a *app) uninstallCommand() *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:   "uninstall [PLAYBOOK…]",
		Short: "Take away what install has written",
		Long: "Take away what install has written for these playbooks, or for all. A file that was changed by hand since is\n" +
			"kept and named, unless --force is given. Playbooks of your own, snapshots and records of runs stay.",
		RunE: func(c *cobra.Command, args []string) error { return a.uninstall(c.Context(), &f, args) },
	}
	c.AddCommand(a.uninstallBootCommand())
	f.register(c)
	return c
}

// Names of parts.
func playbookPart(name string) string { return "playbook " + name }
func inputsPart(name string) string   { return "inputs " + name }

// installedPlaybooks are the names of playbooks that have units.
func installedPlaybooks(t *install.Target) []string { return named(t, playbookPart("")) }

// leftPlaybooks are those and the ones of which only inputs are left, because somebody has changed them. Those of the boot are its own
// affair.
func leftPlaybooks(t *install.Target) []string {
	all := append(named(t, playbookPart("")), named(t, inputsPart(""))...)
	all = slices.DeleteFunc(all, func(name string) bool { return name == "boot-rollback" })
	slices.Sort(all)
	return slices.Compact(all)
}

// named are the names of parts of a kind.
func named(t *install.Target, kind string) []string {
	var all []string
	for _, part := range t.Parts() {
		if name, ok := strings.CutPrefix(part, kind); ok {
			all = append(all, name)
		}
	}
	return all
}

// timersIn are the names of timers among files that are written or go, and of those that are switched on by a link alone: the timer itself is
// still there when the package of coppice was removed and installed again.
func timersIn(changes []install.Change, force bool, kinds ...install.Kind) []string {
	var all []string
	for _, c := range changes {
		folder, name := filepath.Split(c.File.Path)
		if folder = filepath.Clean(folder); folder != unitfile.Folder && folder != unitfile.Folder+"/timers.target.wants" {
			continue
		}
		if strings.HasSuffix(name, ".timer") && slices.Contains(kinds, c.Kind) && (c.Touched == "" || force) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
