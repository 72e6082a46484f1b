package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/cmd/coppice/install/boot"
	losses "github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/report"
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

// initrd is what makes the machine's initrd.
func (o *installingBoot) initrd() (boot.Generator, error) {
	if o.generator != "" {
		if !slices.Contains(boot.Generators, boot.Generator(o.generator)) {
			return "", usage("--initrd %q is none of %s", o.generator, generators(boot.Generators))
		}
		return boot.Generator(o.generator), nil
	}
	there := func(paths ...string) bool {
		return slices.ContainsFunc(paths, func(p string) bool { _, err := os.Stat(o.flags.at(p)); return err == nil })
	}
	var all, used []boot.Generator
	for _, g := range boot.Generators {
		if there(g.Programs()...) {
			all = append(all, g)
		}
		if there(g.Programs()...) && there(g.Hooks()...) { // a new kernel gets its initrd from it
			used = append(used, g)
		}
	}
	if len(used) > 0 {
		all = used
	}
	switch len(all) {
	case 1:
		return all[0], nil
	case 0:
		return "", exitError{code: exitFailed, err: errors.New("nothing that makes an initrd is here: neither " + strings.ReplaceAll(generators(boot.Generators), " or ", " nor ")),
			advice: "name it, if it is somewhere else: --initrd"}
	}
	return "", exitError{code: exitUsage, err: errors.New("several programs could make the initrd: " + generators(all)), advice: "name the one that does: --initrd " + string(all[0])}
}

func generators(all []boot.Generator) string {
	words := make([]string, len(all))
	for i, g := range all {
		words[i] = string(g)
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// rootDevice is what the machine mounts as its root, by its kernel's command line; else by the input; "": nobody knows here.
func (o *installingBoot) rootDevice(inputs map[string]any) string {
	if o.flags.live() {
		data, err := os.ReadFile("/proc/cmdline")
		if err == nil {
			root := ""
			for _, word := range strings.Fields(string(data)) {
				if value, is := strings.CutPrefix(word, "root="); is {
					root = value
				}
			}
			if boot.IsDevice(root) {
				return root
			}
		}
	}
	if named, _ := inputs["filesystem"].(string); boot.IsDevice(named) {
		return named
	}
	return ""
}

// updateInitrd makes the initrd anew, or says how.
func (o *installingBoot) updateInitrd(a *app, g boot.Generator) error {
	command := g.Regenerate()
	words := strings.Join(command, " ")
	if !o.regenerate || !o.flags.live() {
		fmt.Fprintf(a.err, "make the initrd anew, or nothing changes: %s\n", words)
		return nil
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	fmt.Fprintln(a.err, words)
	if err := c.Run(); err != nil {
		return exit(exitFailed, fmt.Errorf("the initrd was not made anew: %s: %w", words, err))
	}
	return nil
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

// nixosBoot is what a configuration of NixOS has to say.
func nixosBoot(inputs map[string]any) string {
	var b strings.Builder
	b.WriteString("{\n  services.coppice.bootRollback = {\n    enable = true;\n")
	line := func(name string, value any) { fmt.Fprintf(&b, "    %s = %v;\n", name, value) }
	quoted := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`).Replace(s) + `"`
	}
	if f, _ := inputs["filesystem"].(string); f != "/" {
		line("filesystem", quoted(f))
	}
	for _, name := range []string{"root", "blank", "archive"} {
		value, _ := inputs[name].(string)
		line(name, quoted(value))
	}
	for _, name := range []string{"reset", "acknowledge"} {
		all := texts(inputs[name])
		if len(all) == 0 {
			continue
		}
		for i := range all {
			all[i] = quoted(all[i])
		}
		line(name, "[ "+strings.Join(all, " ")+" ]")
	}
	line("fallBack", inputs["fall_back"])
	b.WriteString("  };\n}\n")
	return b.String()
}

// bootPreflight refuses what would lose something at the next boot, or could never roll back.
func (a *app) bootPreflight(s *session, inputs map[string]any, keep boot.Persist) error {
	var status bootShown
	with, err := pick(inputs, rollbackInputs...)
	if err != nil {
		return err
	}
	if err := s.ask(oneStep{group: "boot", verb: "status", uses: "btrfs.boot_status", with: with}, &status.StatusOutput); err != nil {
		return err
	}
	if with, err = pick(inputs, "root", "blank", "archive", "acknowledge"); err != nil {
		return err
	}
	with["limit"] = 20
	if err := a.bootLosses(s, with); err != nil {
		return err
	}
	if status.Next == "refused" {
		return exitError{code: exitFailed, err: errors.New("nothing was installed: the next boot would refuse to roll back: " + strings.Join(status.NextWhy, "; ")),
			advice: "\"coppice boot plan\" tells when it would not"}
	}
	if err := a.stays(s, inputs); err != nil {
		return err
	}
	return persisted(keep)
}

// stays refuses what would be gone after the next boot: the configuration, where a clean root is empty, and a state folder of one's own.
func (a *app) stays(s *session, inputs map[string]any) error {
	folders := givenState()
	if blank, _ := inputs["blank"].(string); blank == "" {
		folders = append(folders, a.configs)
	}
	return a.replacedRefused(inputs, folders)
}

// persisted refuses to mount over what is there something that is not.
func persisted(p boot.Persist) error {
	var missing []string
	for _, at := range p.Paths {
		if _, err := os.Lstat(p.Source(at)); err != nil {
			missing = append(missing, fmt.Sprintf("mkdir -p %s && cp -a --reflink=auto %s %s/", filepath.Dir(p.Source(at)), at, filepath.Dir(p.Source(at))))
		}
		if _, err := os.Lstat(at); err != nil {
			return exitError{code: exitFailed, err: fmt.Errorf("there is no %s to mount what is kept on", at), advice: "make it, or take it out of boot-persist.yaml"}
		}
	}
	if len(missing) > 0 {
		return exitError{code: exitFailed, err: errors.New("what boot-persist.yaml keeps is not on " + p.On + " yet"), advice: "copy it: " + strings.Join(missing, "; ")}
	}
	return nil
}

// bootLosses refuses while the next boot would take what makes the machine the one it is.
func (a *app) bootLosses(s *session, with map[string]any) error {
	var loss losses.LossOutput
	if err := s.ask(oneStep{group: "boot", verb: "diff", uses: "btrfs.boot_diff", with: with}, &loss); err != nil {
		return err
	}
	if len(loss.Identity)+len(loss.Nested) > 0 {
		return a.showLoss(loss)
	}
	if loss.Count > 0 {
		fmt.Fprintf(a.err, "the next boot puts %s of %s away, see: coppice boot diff\n", report.Count(loss.Count, "path"), diagnostic.Escape(loss.Root))
	}
	return nil
}

// replacedRefused refuses folders that lie on a subvolume which a boot replaces.
func (a *app) replacedRefused(inputs map[string]any, folders []string) error {
	filesystem, _ := inputs["filesystem"].(string)
	f, err := kernel.Open(context.Background(), filesystem)
	if err != nil {
		return exit(exitFailed, err)
	}
	r := replaced{filesystem: f, subvolumes: texts(inputs["reset"])}
	defer r.Close()
	if root, is := inputs["root"].(string); is {
		r.subvolumes = append(r.subvolumes, root)
	}
	for _, folder := range folders {
		if subvolume := r.holds(folder); subvolume != "" {
			return exitError{code: exitFailed, err: fmt.Errorf("%s is on the subvolume %s, which each boot replaces", folder, subvolume),
				advice: "mount a folder of a subvolume that stays over it"}
		}
	}
	return nil
}
