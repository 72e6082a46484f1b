package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/sdk/unit"
)

// me is who pins from the command line.
const me = "admin"

func (a *app) snapshotsPinCommand() *cobra.Command {
	var f filesystemFlag
	var y consent
	var reason, who, until string
	c := &cobra.Command{
		Use:   "pin SNAPSHOT…",
		Short: "Keep snapshots whatever the rules say",
		Long: "Pin snapshots, or other subvolumes: nothing that coppice does deletes them, until unpin or the end\n" +
			"that --until gives.",
		Example: "  coppice snapshots pin snapshots/root/20261024T060000.000Z --reason \"before the upgrade\"\n" +
			"  coppice snapshots pin 1a2b3c4d --until 30d",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeSnapshots(&f, 0),
		RunE: func(c *cobra.Command, args []string) error {
			with := map[string]any{"reason": reason, "who": who}
			if until != "" {
				end, err := endOf(until, time.Now())
				if err != nil {
					return err
				}
				with["until"] = unit.FormatTimestamp(end)
			}
			return a.keep(c, &f, y, oneStep{verb: "pin", title: "Pin", uses: "btrfs.pin", with: with}, args)
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().StringVar(&reason, "reason", "", "`why`, for those who find them pinned")
	c.Flags().StringVar(&who, "who", me, "whose pin it is, a `name`: each has one of their own")
	c.Flags().StringVar(&until, "until", "", "when it ends by itself: a `time` (RFC 3339), or how long from now, as 30d")
	return c
}

func (a *app) snapshotsUnpinCommand() *cobra.Command {
	var f filesystemFlag
	var y consent
	var who string
	c := &cobra.Command{
		Use:   "unpin SNAPSHOT…",
		Short: "Take the pins on snapshots away",
		Long: "Take the pins on snapshots away, also those that a snapshot has left behind which does not exist any\n" +
			"more: name that by its UUID, which list shows.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeSnapshots(&f, 0),
		RunE: func(c *cobra.Command, args []string) error {
			return a.keep(c, &f, y, oneStep{verb: "unpin", title: "Unpin", uses: "btrfs.unpin", with: map[string]any{"who": who}}, args)
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().StringVar(&who, "who", me, "whose pin to take away, a `name`; those of others stay")
	return c
}

func (a *app) snapshotsAdoptCommand() *cobra.Command {
	var f filesystemFlag
	var y consent
	var source, snapshots, folder, prefix string
	c := &cobra.Command{
		Use:   "adopt [SNAPSHOT…]",
		Short: "Take snapshots in that another tool has made",
		Long: "Let btrfs.prune expire snapshots that another tool or a person has made, by their own creation times.\n" +
			"Nothing but coppice's record changes: they stay where they are and keep their names.",
		Example: "  coppice snapshots adopt --source root --folder snapshots --prefix root-\n" +
			"  coppice snapshots adopt --source home snapshots/home-before-the-move",
		ValidArgsFunction: a.completeSnapshots(&f, 0),
		RunE: func(c *cobra.Command, args []string) error {
			if source == "" {
				return usage("--source is missing: of which subvolume are they snapshots?")
			}
			if folder == "" && len(args) == 0 {
				return usage("name snapshots, or their --folder")
			}
			with := map[string]any{"source": source, "snapshots": snapshots, "folder": folder, "prefix": prefix}
			return a.keep(c, &f, y, oneStep{verb: "adopt", title: "Adopt snapshots of " + source, uses: "btrfs.adopt", with: with}, args)
		},
	}
	f.register(c)
	y.register(c)
	c.Flags().StringVar(&source, "source", "", "the `subvolume` that they are snapshots of, by its path from the top level or where it is mounted")
	c.Flags().StringVar(&snapshots, "snapshots", "snapshots", "the `folder` of snapshots that btrfs.prune is given; only what lies in it can be adopted")
	c.Flags().StringVar(&folder, "folder", "", "adopt every snapshot in this `folder` that can be, a path from the top level")
	c.Flags().StringVar(&prefix, "prefix", "", "of the folder, only those whose `names` begin so")
	return c
}

// keep executes one of them on the snapshots that the command line names.
func (a *app) keep(c *cobra.Command, f *filesystemFlag, y consent, o oneStep, args []string) error {
	s := a.session(c.Context())
	defer s.close()
	filesystem := f.of("")
	names, err := s.snapshotNames(filesystem, args)
	if err != nil {
		return err
	}
	o.with["filesystem"] = filesystem
	if len(names) > 0 {
		o.with["subvolumes"] = names
	}
	if o.verb != "adopt" {
		o.title += " " + join(names)
	}
	return s.change(o, y)
}

// endOf is a time, or one so long from now.
func endOf(text string, now time.Time) (time.Time, error) {
	if t, err := unit.ParseTimestamp(text); err == nil {
		return t, nil
	}
	d, err := unit.ParseDuration(text)
	if err != nil {
		return time.Time{}, exitError{code: exitUsage, err: fmt.Errorf("--until %q is neither a time nor a duration", text),
			advice: "write 2027-01-31T06:00:00Z, 2027-01-31 or 30d"}
	}
	return now.Add(d).UTC().Truncate(time.Second), nil
}
