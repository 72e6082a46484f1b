package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/plugins/btrfs/recovery"
)

func (a *app) snapshotsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshots",
		Short: "Find what snapshots have, and fetch it back",
		Long: "Find what the snapshots of a filesystem have, and fetch it back. What changes anything is shown\n" +
			"before it is done, and recorded as any run is.\n\n" +
			"A SNAPSHOT is named by its path from the filesystem's top level, its UUID, or as much of the\n" +
			"beginning of that as no other has. A PATH is one of the running system; with --filesystem it may\n" +
			"also be one from the filesystem's top level, without a \"/\" before it.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.snapshotsListCommand(), a.snapshotsDiffCommand(), a.snapshotsRestoreCommand(),
		a.snapshotsAdoptCommand(), a.snapshotsPinCommand(), a.snapshotsUnpinCommand())
	return c
}

// filesystemFlag is the flag that names the filesystem.
type filesystemFlag struct{ value string }

func (f *filesystemFlag) register(c *cobra.Command) {
	c.Flags().StringVarP(&f.value, "filesystem", "f", "", "the btrfs `filesystem`: UUID=…, LABEL=…, its device, or any path on it; else the one that the path is on, or that of /")
}

// of is the filesystem that a path is on: the one that the flag names, or else what of the path exists.
func (f *filesystemFlag) of(path string) string {
	switch {
	case strings.HasPrefix(f.value, "UUID=") || strings.HasPrefix(f.value, "LABEL=") || filepath.IsAbs(f.value):
		return f.value
	case f.value != "":
		if absolute, err := filepath.Abs(f.value); err == nil {
			return absolute
		}
		return f.value
	case path == "":
		return "/"
	}
	for p := path; ; p = filepath.Dir(p) {
		if info, err := os.Lstat(p); err == nil && (info.IsDir() || p == "/") {
			return p
		}
		if p == "/" {
			return p
		}
	}
}

// path is a PATH of the command line as actions take it.
func (f *filesystemFlag) path(given string) (string, error) {
	if filepath.IsAbs(given) {
		return filepath.Clean(given), nil
	}
	if f.value != "" { // from the top level
		return given, nil
	}
	absolute, err := filepath.Abs(given)
	if err != nil {
		return "", exit(exitFailed, fmt.Errorf("cannot find out where %q is: %w", given, err))
	}
	return absolute, nil
}

// snapshotName is the SNAPSHOT of the command line as actions take it: the beginning of a UUID is completed.
func snapshotName(given string, all []recovery.FoundSnapshot) (string, error) {
	const hexadecimal = "0123456789abcdef-"
	if slices.ContainsFunc(all, func(s recovery.FoundSnapshot) bool { return s.Path == given }) ||
		len(given) < 4 || strings.Trim(strings.ToLower(given), hexadecimal) != "" {
		return given, nil
	}
	var hits []string
	for _, s := range all {
		if strings.HasPrefix(string(s.UUID), strings.ToLower(given)) {
			hits = append(hits, string(s.UUID))
		}
	}
	switch len(hits) {
	case 0:
		return given, nil
	case 1:
		return hits[0], nil
	}
	return "", exitError{code: exitUsage, err: fmt.Errorf("%d snapshots have a UUID that begins with %q", len(hits), given),
		advice: "write more of it: " + join(hits)}
}

// snapshotNames completes several. It asks for the snapshots only when that is needed.
func (s *session) snapshotNames(filesystem string, given []string) ([]string, error) {
	all := make([]string, len(given))
	var known []recovery.FoundSnapshot
	for i, g := range given {
		if all[i] = g; strings.Contains(g, "/") || len(g) == 36 {
			continue
		}
		if known == nil {
			found, err := s.find(map[string]any{"filesystem": filesystem})
			if err != nil {
				return nil, err
			}
			known = found.Snapshots
			for _, o := range found.Orphans {
				known = append(known, recovery.FoundSnapshot{UUID: o.UUID})
			}
		}
		var err error
		if all[i], err = snapshotName(g, known); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// find asks for snapshots.
func (s *session) find(with map[string]any) (recovery.FindOutput, error) {
	var found recovery.FindOutput
	err := s.ask(oneStep{verb: "find", uses: "btrfs.find", with: with}, &found)
	return found, err
}

// completeSnapshots completes a SNAPSHOT in a shell.
func (a *app) completeSnapshots(f *filesystemFlag, most int) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		s := a.session(c.Context())
		defer s.close()
		s.quiet = true
		found, err := s.find(map[string]any{"filesystem": f.of("")})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var names []string
		for _, n := range found.Snapshots {
			if !slices.Contains(args, n.Path) {
				names = append(names, n.Path)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
