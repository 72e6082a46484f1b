package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/recovery"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/sdk/unit"
)

func (a *app) snapshotsListCommand() *cobra.Command {
	var f filesystemFlag
	var source, of string
	c := &cobra.Command{
		Use:   "list",
		Short: "List snapshots, and which of them have a file",
		Long: "List the snapshots of a filesystem, the newest first, whoever took them.\n\n" +
			"With --of, tell which of them have a file or folder, and in which versions: snapshots that have it\n" +
			"unchanged are one line. -v lists each snapshot. Of a folder only its own entries and attributes\n" +
			"count, not what lies deeper.",
		Example: "  coppice snapshots list\n" +
			"  coppice snapshots list --of /etc/fstab",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if of != "" && source != "" {
				return usage("--of and --source do not go together: a path has its subvolume already")
			}
			return a.listSnapshots(c, &f, source, of, time.Now())
		},
	}
	f.register(c)
	c.Flags().StringVar(&source, "source", "", "only snapshots of this `subvolume`, by its path from the top level")
	c.Flags().StringVar(&of, "of", "", "the `path` of a file or folder; it need not exist any more")
	return c
}

func (a *app) listSnapshots(c *cobra.Command, f *filesystemFlag, source, of string, now time.Time) error {
	s := a.session(c.Context())
	defer s.close()
	with := map[string]any{"source": source}
	if of != "" {
		path, err := f.path(of)
		if err != nil {
			return err
		}
		with["path"], of = path, path
	}
	with["filesystem"] = f.of(of)
	found, err := s.find(with)
	if err != nil {
		return err
	}
	if a.json {
		return a.document("coppice.snapshots", "found", found)
	}
	if len(found.Snapshots) == 0 {
		fmt.Fprintln(a.err, "there are no snapshots")
		return a.listOrphans(found.Orphans)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	switch {
	case of == "":
		fmt.Fprintf(w, "SOURCE\tTAKEN\tUUID\tSNAPSHOT\tNOTES\n")
		for _, n := range found.Snapshots {
			fmt.Fprintf(w, "%s\t%s\t%.8s\t%s\t%s\n", orDash(diagnostic.Escape(n.Source)), when(n.Created, now), n.UUID, diagnostic.Escape(n.Path), notes(n, a.verbose))
		}
	default:
		fmt.Fprintf(a.out, "%s is in %s\n", diagnostic.Escape(of), summaryOf(found))
		if a.verbose {
			fmt.Fprintf(w, "VERSION\tSIZE\tMODIFIED\tTAKEN\tUUID\tSNAPSHOT\tNOTES\n")
			for _, n := range found.Snapshots {
				fmt.Fprintf(w, "%s\t%s\t%.8s\t%s\t%s\n", fileColumns(n.File, now), when(n.Created, now), n.UUID, diagnostic.Escape(n.Path), notes(n, false))
			}
			break
		}
		fmt.Fprintf(w, "VERSION\tSIZE\tMODIFIED\tIN\tNEWEST SNAPSHOT\n")
		for version := range found.Versions + 1 {
			line(w, found, (version+1)%(found.Versions+1), now) // those without it come last
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.listOrphans(found.Orphans)
}

// listOrphans lists pins on what does not exist any more.
func (a *app) listOrphans(all []recovery.OrphanPin) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "\nPins on snapshots that do not exist any more, which keep nothing; \"coppice snapshots unpin UUID --who WHO\" takes one away:\n\n")
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "UUID\tWHO\tREASON\n")
	for _, o := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", o.UUID, orDash(diagnostic.Escape(o.Who)), orDash(diagnostic.Escape(o.Reason)))
	}
	return w.Flush()
}

// line is one version, and the snapshots that have it.
func line(w *tabwriter.Writer, found recovery.FindOutput, version int, now time.Time) {
	var newest recovery.FoundSnapshot
	in := 0
	for _, n := range found.Snapshots {
		if n.File.Version == version {
			if in == 0 {
				newest = n
			}
			in++
		}
	}
	if in > 0 {
		fmt.Fprintf(w, "%s\t%d\t%s\n", fileColumns(newest.File, now), in, diagnostic.Escape(newest.Path))
	}
}

func fileColumns(v recovery.FileVersion, now time.Time) string {
	if !v.Exists {
		return "-\t-\t-"
	}
	size := v.Kind
	if v.Kind == "file" {
		size = unit.FormatSize(int64(v.Size))
	}
	modified := "-"
	if !v.Modified.IsZero() {
		modified = when(v.Modified, now)
	}
	return fmt.Sprintf("%d\t%s\t%s", v.Version, size, modified)
}

func summaryOf(found recovery.FindOutput) string {
	have := 0
	for _, n := range found.Snapshots {
		if n.File.Exists {
			have++
		}
	}
	text := fmt.Sprintf("%d of %d snapshots of %s", have, len(found.Snapshots), diagnostic.Escape(found.Source))
	if found.Versions > 1 {
		text += fmt.Sprintf(", in %d versions", found.Versions)
	}
	switch {
	case !found.Now.Exists:
		text += "; it does not exist now"
	case found.Now.Version == 0:
		text += "; what is there now is another version"
	default:
		text += fmt.Sprintf("; what is there now is version %d", found.Now.Version)
	}
	return text
}

// notes are what is special about a snapshot.
func notes(n recovery.FoundSnapshot, verbose bool) string {
	var all []string
	if n.Pinned != "" {
		all = append(all, n.Pinned)
	}
	if !n.ReadOnly {
		all = append(all, "writable")
	}
	if n.Mounted != "" {
		all = append(all, n.Mounted)
	}
	switch {
	case n.Managed:
	case verbose:
		all = append(all, "foreign: "+n.Foreign)
	default:
		all = append(all, "foreign")
	}
	return diagnostic.Escape(strings.Join(all, "; "))
}
