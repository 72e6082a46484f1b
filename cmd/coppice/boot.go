package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) bootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "boot",
		Short: "See and steer how the root is rolled back at boot",
		Long: "See how the last boots went and what the next one will do with the root, and steer it. What changes\n" +
			"anything is shown before it is done, and recorded as any run is.\n\n" +
			"Which filesystem, which root and which archive: as the playbook boot-rollback has its inputs, in\n" +
			"/etc/coppice/inputs/boot-rollback.yaml, or by -i.\n\n" +
			"On the kernel command line coppice.rollback=0 leaves the root as it is for one boot, and coppice.hold\n" +
			"stops everything that could delete as well. A file .coppice/boot/skip-next at the filesystem's top level is the same as skip-next.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.bootStatusCommand(), a.bootPlanCommand(), a.bootDiffCommand(), a.bootConfirmCommand(), a.bootSkipCommand(), a.bootUseCommand(),
		a.bootCancelCommand(), a.bootOffCommand(), a.bootOnCommand(), a.bootPinCommand(), a.bootUnpinCommand(), a.bootRebaseCommand(), a.bootAdoptCommand())
	return c
}

// bootInputs are the inputs of boot-rollback on this machine, those of the names that are given.
func (a *app) bootInputs(s *session, f inputFlags, names ...string) (map[string]any, error) {
	_, all, err := a.bootPlaybook(s, f)
	if err != nil {
		return nil, err
	}
	return pick(all, names...)
}

// bootPlaybook is boot-rollback on this machine, and all of its inputs.
func (a *app) bootPlaybook(s *session, f inputFlags) (found, map[string]any, error) {
	program, text, err := a.load(s.ctx, s.runner, "boot-rollback")
	if err != nil {
		return text, nil, s.stopped(err)
	}
	all, err := a.resolve(program, f)
	return text, all, err
}

// pick takes inputs of boot-rollback for an action.
func pick(all map[string]any, names ...string) (map[string]any, error) {
	with := map[string]any{}
	for _, name := range append(names, "filesystem") {
		value, there := all[name]
		if !there {
			return nil, usage("the playbook boot-rollback of this machine has no input %q", name)
		}
		with[name] = value
	}
	return with, nil
}

// bootChange executes one action that steers the boots.
func (a *app) bootChange(c *cobra.Command, f inputFlags, y consent, step oneStep, names ...string) error {
	s := a.session(c.Context())
	defer s.close()
	return a.bootChangeIn(s, f, y, step, names...)
}

func (a *app) bootChangeIn(s *session, f inputFlags, y consent, step oneStep, names ...string) error {
	with, err := a.bootInputs(s, f, names...)
	if err != nil {
		return err
	}
	for name, value := range step.with {
		with[name] = value
	}
	step.group, step.with = "boot", with
	return s.change(step, y)
}

// simple is a verb that steers the boots and takes no arguments.
func (a *app) simple(c *cobra.Command, step oneStep, names ...string) *cobra.Command {
	var f inputFlags
	var y consent
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error { return a.bootChange(c, f, y, step, names...) }
	f.register(c)
	y.register(c)
	return c
}

func (a *app) bootSkipCommand() *cobra.Command {
	return a.simple(&cobra.Command{
		Use:   "skip-next",
		Short: "Leave the root as it is at the next boot",
		Long:  "Leave the root as it is at the next boot, and only then.",
	}, oneStep{verb: "skip", title: "Leave the next boot as it is", uses: "btrfs.boot_request", with: map[string]any{"request": "skip-next"}}, "root", "archive")
}

func (a *app) bootCancelCommand() *cobra.Command {
	return a.simple(&cobra.Command{
		Use:   "cancel",
		Short: "Take back what skip-next and use have asked for",
	}, oneStep{verb: "cancel", title: "Take requests back", uses: "btrfs.boot_request", with: map[string]any{"request": "cancel"}}, "root", "archive")
}

func (a *app) bootOnCommand() *cobra.Command {
	return a.simple(&cobra.Command{
		Use:   "on",
		Short: "Roll the root back again, after off, use or a fall-back",
	}, oneStep{verb: "on", title: "Switch rollback on", uses: "btrfs.boot_request", with: map[string]any{"request": "on"}}, "root", "archive")
}

func (a *app) bootOffCommand() *cobra.Command {
	var f inputFlags
	var y consent
	var reason string
	c := &cobra.Command{
		Use:   "off",
		Short: "Leave the root as it is at every boot, until on",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.bootChange(c, f, y, oneStep{verb: "off", title: "Switch rollback off", uses: "btrfs.boot_request",
				with: map[string]any{"request": "off", "why": reason}}, "root", "archive")
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().StringVar(&reason, "reason", "", "`why`, for those who find it off")
	return c
}

func (a *app) bootUseCommand() *cobra.Command {
	var f inputFlags
	var y consent
	var once bool
	c := &cobra.Command{
		Use:   "use ARCHIVE",
		Short: "Have a copy of an archived root as the root at the next boot",
		Long: "Have a copy of an archived root, or of any subvolume, as the root at the next boot. The copy is made now,\n" +
			"with the subvolumes that lie in it; the boot only exchanges it for the root, which goes into the archive.\n" +
			"With --once the boot after it is rolled back again; without, nothing is until coppice boot on.",
		Example: "  coppice boot use root-000012-20261124T060000Z-1a2b3c4d --once",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.bootChange(c, f, y, oneStep{verb: "use", title: "Use " + args[0], uses: "btrfs.boot_request",
				with: map[string]any{"request": "use", "from": args[0], "once": once}}, "root", "archive")
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().BoolVar(&once, "once", false, "roll back again at the boot after it")
	return c
}

func (a *app) bootPinCommand() *cobra.Command {
	return a.bootKeep("pin", "Keep an archived root, whatever its age", "btrfs.pin")
}

func (a *app) bootUnpinCommand() *cobra.Command {
	return a.bootKeep("unpin", "Take the pin on an archived root away", "btrfs.unpin")
}

// bootKeep is pin or unpin: of archives, by their name too.
func (a *app) bootKeep(verb, short, uses string) *cobra.Command {
	var f inputFlags
	var y consent
	var reason string
	c := &cobra.Command{
		Use:   verb + " ARCHIVE…",
		Short: short,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s := a.session(c.Context())
			defer s.close()
			with, err := a.bootInputs(s, f, "archive")
			if err != nil {
				return err
			}
			names := make([]string, len(args))
			for i, name := range args {
				names[i] = archiveName(fmt.Sprint(with["archive"]), name)
			}
			step := oneStep{group: "boot", verb: verb, title: short, uses: uses,
				with: map[string]any{"filesystem": with["filesystem"], "subvolumes": names, "who": me}}
			if verb == "pin" {
				step.with["reason"] = reason
			}
			return s.change(step, y)
		},
	}
	f.register(c)
	y.register(c)
	if verb == "pin" {
		c.Flags().StringVar(&reason, "reason", "", "`why`, for those who find it pinned")
	}
	return c
}

func (a *app) bootAdoptCommand() *cobra.Command {
	var f inputFlags
	var y consent
	c := &cobra.Command{
		Use:   "adopt [ARCHIVE…]",
		Short: "Take archived roots in that another tool has put away",
		Long: "Take subvolumes in the archive's folder in that another tool has put there: they are listed, can be used, pinned\n" +
			"and compared, and go one day as others do, their age counted from now on. Without ARCHIVE, all of them. They stay\n" +
			"where they are and keep their names. A plain folder can't be adopted, and nothing that coppice does deletes it.",
		Example: "  coppice boot adopt\n" +
			"  coppice boot adopt 2026-11-02_07:15:33",
		RunE: func(c *cobra.Command, args []string) error {
			with := map[string]any{}
			if len(args) > 0 {
				with["subvolumes"] = args
			}
			return a.bootChange(c, f, y, oneStep{verb: "adopt", title: "Adopt archived roots", uses: "btrfs.boot_adopt", with: with}, "root", "blank", "archive")
		},
	}
	f.register(c)
	y.register(c)
	return c
}
