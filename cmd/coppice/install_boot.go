package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/cmd/coppice/install/boot"
)

// persistInputs say what stays through boots. Their values can stand in /etc/coppice/inputs/boot-persist.yaml.
//
//go:embed boot_persist.yaml
var persistInputs string

// bootPart is what install boot writes.
const bootPart = "boot"

// installingBoot is what install boot does.
type installingBoot struct {
	flags      installFlags
	inputs     inputFlags
	generator  string
	program    string
	after      string
	regenerate bool
}

func (a *app) installBootCommand() *cobra.Command {
	var o installingBoot
	c := &cobra.Command{
		Use:   "boot",
		Short: "Give this machine a clean root at each boot",
		Long: "Put coppice into the initrd, where it runs the playbook boot-rollback before the root is mounted, and confirm each\n" +
			"boot that goes well. First it is asked what the next boot would do, and what would be lost by it; while something\n" +
			"that makes the machine the one it is would go, or the boot would refuse, nothing is written.\n\n" +
			"What writes the initrd is found out: dracut, initramfs-tools or mkinitcpio. The initrd itself is made anew only\n" +
			"with --update-initrd; else the command for it is named.\n\n" +
			"Paths in /etc/coppice/inputs/boot-persist.yaml become bind mounts from a subvolume that stays. Where the blank has\n" +
			"the system and apt keeps it, apt offers to make the blank anew after it has changed something.\n\n" +
			"On NixOS nothing is written: the lines for its configuration are printed.",
		Example: "  coppice install boot -i root=root -i blank=blank --update-initrd\n" +
			"  coppice install boot --print",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.installBoot(c.Context(), &o) },
	}
	o.flags.register(c)
	o.inputs.register(c)
	c.Flags().StringVar(&o.generator, "initrd", "", "what makes the initrd, if it can't be told: `dracut`, initramfs-tools or mkinitcpio")
	c.Flags().StringVar(&o.program, "program", "", "the `path` of coppice on the machine; else that of this program")
	c.Flags().StringVar(&o.after, "confirm-after", "3min", "how `long` after its start the machine is asked whether it is well; 0: never")
	c.Flags().BoolVar(&o.regenerate, "update-initrd", false, "make the initrd anew")
	return c
}

func (a *app) uninstallBootCommand() *cobra.Command {
	var o installingBoot
	c := &cobra.Command{
		Use:   "boot",
		Short: "Leave the root as it is at each boot",
		Long: "Take away what install boot has written. The initrd has coppice in it until it is made anew; until then\n" +
			"coppice boot off leaves the root as it is. The archives, the blank and the inputs stay.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.uninstallBoot(&o) },
	}
	o.flags.register(c)
	c.Flags().BoolVar(&o.regenerate, "update-initrd", false, "make the initrd anew")
	return c
}

func (a *app) installBoot(ctx context.Context, o *installingBoot) error {
	t, err := o.flags.open(a)
	if err != nil {
		return err
	}
	defer t.Close()
	s := a.session(ctx)
	defer s.close()
	program, _, err := a.load(s.ctx, s.runner, "boot-rollback")
	if err != nil {
		return s.stopped(err)
	}
	inputs, given, err := a.resolveGiven(program, o.inputs)
	if err != nil {
		return err
	}
	if o.flags.nixos() {
		fmt.Fprintln(a.err, "coppice: this is NixOS, where the configuration makes the initrd: nothing was written. Import the module of coppice's flake, and add this:")
		_, err := fmt.Fprint(a.out, nixosBoot(inputs))
		return err
	}
	options, err := o.options(a, s, inputs)
	if err != nil {
		return err
	}
	if o.flags.live() {
		if err := a.bootPreflight(s, inputs, options.Persist); err != nil {
			return err
		}
	}
	files, err := boot.Files(options)
	if err != nil {
		return usage("%v", err)
	}
	parts := []install.Part{{Name: bootPart, Files: files}}
	file, err := a.inputsFile(program, inputs, given)
	if err != nil {
		return err
	}
	if file != nil {
		_, values, _ := strings.Cut(file.Content, "\n")
		file.Content = "# Inputs of boot-rollback, written by \"coppice install boot\". The initrd has a copy: after a change, make it anew.\n" + values
		if !o.flags.live() {
			file.Path = "/etc/coppice/inputs/boot-rollback.yaml"
		}
		parts = append(parts, install.Part{Name: inputsPart("boot-rollback"), Files: []install.File{*file}})
	}
	changes, err := t.Compare(parts...)
	if err != nil {
		return exit(exitFailed, err)
	}
	if !install.Pending(changes, o.flags.force) {
		fmt.Fprintln(a.err, "nothing to do: all of it is there")
	}
	wrote, err := o.flags.apply(a, t, changes, nil)
	if err != nil {
		return err
	}
	if wrote && o.flags.live() {
		if err := a.startTimers(timersIn(changes, o.flags.force, install.Create, install.Update)); err != nil {
			return err
		}
	}
	if !wrote && (o.flags.print || !o.regenerate || install.Pending(changes, o.flags.force)) {
		return nil
	}
	if err := o.updateInitrd(a, options.Initrd); err != nil {
		return err
	}
	if blank, _ := inputs["blank"].(string); blank != "" && (wrote || o.regenerate) && o.flags.live() {
		fmt.Fprintln(a.err, "then let the blank have all of this: coppice boot rebase")
	}
	return nil
}

// options are those of the files.
func (o *installingBoot) options(a *app, s *session, inputs map[string]any) (boot.Options, error) {
	var options boot.Options
	var err error
	if options.Initrd, err = o.initrd(); err != nil {
		return options, err
	}
	if options.Program, err = o.flags.program(o.program); err != nil {
		return options, err
	}
	options.Configs = "/etc/coppice"
	if o.flags.live() {
		options.Configs = a.configs
	}
	if o.after != "0" {
		options.ConfirmAfter = o.after
	}
	options.Root = o.rootDevice(inputs)
	if blank, _ := inputs["blank"].(string); blank != "" {
		info, err := os.Stat(o.flags.at("/etc/apt/apt.conf.d"))
		options.Apt = err == nil && info.IsDir()
	}
	options.Persist, err = a.persist(s)
	return options, err
}

// persist is what stays through boots.
func (a *app) persist(s *session) (boot.Persist, error) {
	program, err := a.check(s.ctx, s.runner, found{"boot-persist.yaml", []byte(persistInputs)})
	if err != nil {
		return boot.Persist{}, s.stopped(err)
	}
	inputs, err := a.resolve(program, inputFlags{})
	if err != nil {
		return boot.Persist{}, err
	}
	p := boot.Persist{}
	p.On, _ = inputs["on"].(string)
	p.Paths = texts(inputs["paths"])
	return p, nil
}

// texts are the texts of a list that is an input's value.
func texts(value any) []string {
	list, _ := value.([]any)
	var all []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func (a *app) uninstallBoot(o *installingBoot) error {
	t, err := o.flags.open(a)
	if err != nil {
		return err
	}
	defer t.Close()
	if !slices.Contains(t.Parts(), bootPart) {
		return exit(exitUsage, errors.New("it is not installed"))
	}
	g := boot.GeneratorOf(t.Paths(bootPart))
	changes, err := t.Compare(install.Part{Name: bootPart})
	if err != nil {
		return exit(exitFailed, err)
	}
	wrote, err := o.flags.apply(a, t, changes, func() {
		if o.flags.live() {
			a.stopTimers(timersIn(changes, o.flags.force, install.Delete))
		}
	})
	if err != nil || !wrote {
		return err
	}
	if o.flags.live() {
		if err := a.reloadUnits(); err != nil {
			return err
		}
	}
	return o.updateInitrd(a, g)
}

// bootInstalled reports whether install boot has put its files on this machine.
func bootInstalled() bool {
	t, err := install.Open("/")
	if err != nil {
		return false
	}
	defer t.Close()
	return slices.Contains(t.Parts(), bootPart)
}
