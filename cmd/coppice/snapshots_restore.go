package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/recovery"
	"github.com/hbohlen/coppice/sdk/unit"
)

// restoring is what the flags of snapshots restore say.
type restoring struct {
	filesystemFlag
	consent
	from, at, to            string
	overwrite, beside, copy bool
}

func (a *app) snapshotsRestoreCommand() *cobra.Command {
	var r restoring
	c := &cobra.Command{
		Use:   "restore PATH",
		Short: "Fetch a file or folder back out of a snapshot",
		Long: "Fetch a file or folder back out of the newest snapshot that has it, or another one, with all its\n" +
			"attributes. What would be done is shown first. Nothing that exists is overwritten without --overwrite;\n" +
			"a folder that is overwritten stays beside the new one under another name.",
		Example: "  coppice snapshots restore /home/alice/thesis.tex\n" +
			"  coppice snapshots restore /etc/nginx --at 2026-10-24T06:00:00Z --to /root/nginx-then",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.restoreFile(c, &r, args[0]) },
	}
	r.filesystemFlag.register(c)
	r.consent.register(c)
	c.Flags().StringVar(&r.from, "from", "", "the `snapshot`, instead of the newest that has it")
	c.Flags().StringVar(&r.at, "at", "", "the newest snapshot of before this `time` (RFC 3339)")
	c.Flags().StringVar(&r.to, "to", "", "what to make of it, a `path`, instead of what it was; with a / at its end, the folder to put it in")
	c.Flags().BoolVar(&r.overwrite, "overwrite", false, "replace what is there")
	c.Flags().BoolVar(&r.beside, "beside", false, "if something else is there, restore beside it, with .restored behind the name")
	c.Flags().BoolVar(&r.copy, "copy", false, "copy the data where it can't be shared with the snapshot: to another filesystem")
	_ = c.RegisterFlagCompletionFunc("from", a.completeSnapshots(&r.filesystemFlag, 0)) // fails only for a flag that does not exist
	return c
}

func (a *app) restoreFile(c *cobra.Command, r *restoring, arg string) error {
	switch {
	case r.overwrite && r.beside:
		return usage("--overwrite and --beside do not go together")
	case r.from != "" && r.at != "":
		return usage("--from and --at do not go together")
	}
	var before time.Time
	if r.at != "" {
		var err error
		if before, err = unit.ParseTimestamp(r.at); err != nil {
			return usage("--at: %v", err)
		}
	}
	path, err := r.path(arg)
	if err != nil {
		return err
	}
	s := a.session(c.Context())
	defer s.close()
	filesystem := r.of(path)
	found, err := s.find(map[string]any{"filesystem": filesystem, "path": path})
	if err != nil {
		return err
	}
	if found.Inside == "" {
		return exitError{code: exitUsage, err: fmt.Errorf("%s is a whole subvolume, %q", path, found.Source),
			advice: fmt.Sprintf("put a snapshot in its place with: coppice plan restore-root -i root=%s -i from=SNAPSHOT", found.Source)}
	}
	snapshot, err := r.choose(path, found, before)
	if err != nil {
		return err
	}
	with := map[string]any{"filesystem": filesystem, "snapshot": snapshot, "path": found.Inside, "to": found.Place, "copy": r.copy, "existing": "fail"}
	if r.to != "" {
		to, err := r.path(r.to)
		if err != nil {
			return err
		}
		if strings.HasSuffix(r.to, "/") {
			to = filepath.Join(to, filepath.Base(found.Inside))
		}
		with["to"] = to
	}
	switch {
	case r.overwrite:
		with["existing"] = "replace"
	case r.beside:
		with["existing"] = "beside"
	}
	return s.change(oneStep{verb: "restore", title: "Restore " + path, uses: "btrfs.restore", with: with}, r.consent)
}

// choose is the snapshot to restore from.
func (r *restoring) choose(path string, found recovery.FindOutput, before time.Time) (string, error) {
	if r.from != "" {
		return snapshotName(r.from, found.Snapshots)
	}
	for _, n := range found.Snapshots {
		if n.File.Exists && (before.IsZero() || !n.Created.After(before)) {
			return string(n.UUID), nil
		}
	}
	failure := exitError{code: exitFailed, advice: "\"coppice snapshots list\" shows all snapshots"}
	switch {
	case len(found.Snapshots) == 0:
		failure.err = fmt.Errorf("there are no snapshots of %q, which %s is in", found.Source, path)
	case !before.IsZero():
		failure.err = fmt.Errorf("no snapshot of %q of before %s has %s", found.Source, before.Format(time.RFC3339), path)
	default:
		failure.err = errors.New("none of the " + fmt.Sprint(len(found.Snapshots)) + " snapshots of \"" + found.Source + "\" has " + path)
	}
	return "", failure
}
