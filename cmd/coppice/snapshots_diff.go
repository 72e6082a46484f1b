package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/recovery"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk/unit"
)

func (a *app) snapshotsDiffCommand() *cobra.Command {
	var f filesystemFlag
	var limit int
	c := &cobra.Command{
		Use:   "diff SNAPSHOT [SNAPSHOT] [-- PATH]",
		Short: "Tell what has changed between two snapshots, or since one",
		Long: "Tell what has changed between two snapshots, or between one and what it was taken of. PATH, inside of\n" +
			"them, is all that is looked at. Contents are not read: sizes, times, owners and permissions tell.\n\n" +
			"  + added   - removed   ~ changed   a attributes only (owner, permissions, extended attributes)",
		Example: "  coppice snapshots diff snapshots/root/20261024T060000.000Z\n" +
			"  coppice snapshots diff 1a2b3c4d 5e6f7a8b -- etc",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeSnapshots(&f, 2),
		RunE: func(c *cobra.Command, args []string) error {
			path := ""
			if dash := c.ArgsLenAtDash(); dash >= 0 {
				if len(args) != dash+1 {
					return usage("one PATH comes behind --")
				}
				path, args = strings.Trim(args[dash], "/"), args[:dash]
			}
			if len(args) < 1 || len(args) > 2 {
				return usage("name one or two snapshots")
			}
			if limit < 0 {
				return usage("--limit %d is negative", limit)
			}
			return a.diffSnapshots(c, &f, args, path, limit)
		},
	}
	f.register(c)
	c.Flags().IntVar(&limit, "limit", 1000, "list at most so `many`; 0: all")
	return c
}

func (a *app) diffSnapshots(c *cobra.Command, f *filesystemFlag, args []string, path string, limit int) error {
	s := a.session(c.Context())
	defer s.close()
	filesystem := f.of("")
	names, err := s.snapshotNames(filesystem, args)
	if err != nil {
		return err
	}
	with := map[string]any{"filesystem": filesystem, "from": names[0], "path": path, "limit": limit}
	if len(names) == 2 {
		with["to"] = names[1]
	}
	var d recovery.DiffOutput
	if err := s.ask(oneStep{verb: "diff", uses: "btrfs.diff", with: with}, &d); err != nil {
		return err
	}
	if a.json {
		return a.document("coppice.diff", "diff", d)
	}
	for _, one := range d.Differences {
		fmt.Fprintln(a.out, differenceLine(one))
	}
	if !d.Complete {
		fmt.Fprintf(a.err, "coppice: only the first %d are listed; --limit 0 lists all\n", len(d.Differences))
	}
	_, err = fmt.Fprintf(a.out, "%s → %s: %d added, %d removed, %d changed, %d with other attributes\n",
		diagnostic.Escape(d.From), diagnostic.Escape(d.To), d.Added, d.Removed, d.Changed, d.Attributes)
	return err
}

func differenceLine(d recovery.Difference) string {
	path := diagnostic.Escape(d.Path)
	if d.Kind == "folder" {
		path += "/"
	}
	size := func(sign string, bytes int64) string {
		switch {
		case d.Kind == "folder" && d.Contains == 0:
			return fmt.Sprintf("%s %s (empty folder)", sign, path)
		case d.Kind == "folder":
			return fmt.Sprintf("%s %s (%s, %s)", sign, path, report.Count(d.Contains, "thing"), unit.FormatSize(bytes))
		case d.Kind == "file":
			return fmt.Sprintf("%s %s (%s)", sign, path, unit.FormatSize(bytes))
		}
		return fmt.Sprintf("%s %s (%s)", sign, path, d.Kind)
	}
	switch d.What {
	case "added":
		return size("+", int64(d.After))
	case "removed":
		return size("-", int64(d.Before))
	case "changed":
		if d.Kind == "file" && d.Before != d.After {
			return fmt.Sprintf("~ %s (%s → %s)", path, unit.FormatSize(int64(d.Before)), unit.FormatSize(int64(d.After)))
		}
		return size("~", int64(d.After))
	}
	return "a " + path
}
