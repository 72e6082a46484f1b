package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/host"
)

func (a *app) pluginLockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lock [PLUGIN…]",
		Short: "Pin the version and the file of foreign plugins",
		Long: "Write the version and the SHA-256 of the named plugins, or of all that are not built in, to the lock file,\n" +
			"plugins.lock in the configuration's folder. From then on a plugin that is not in it, or is not just that file, is\n" +
			"refused. What changes in the lock is printed. Look at a plugin before you lock it: it is started to tell its\n" +
			"version.",
		RunE: func(c *cobra.Command, args []string) error {
			before, err := a.pins()
			if err != nil {
				return exit(exitInvalid, err)
			}
			found, err := host.Foreign(pluginDirs(), []int{os.Geteuid()}, nil) // those of today, whatever the lock says
			if err != nil {
				return exit(exitPlugin, err)
			}
			var known []string
			for _, s := range found {
				known = append(known, s.Name)
			}
			for _, name := range args {
				if !slices.Contains(known, name) {
					return exitError{code: exitPlugin, err: fmt.Errorf("there is no foreign plugin %q", name), advice: "there are: " + join(known)}
				}
			}
			after := maps.Clone(before)
			if after == nil || len(args) == 0 {
				after = map[string]host.Pin{}
			}
			h := host.New(host.Options{Sources: found})
			defer h.Close()
			for _, s := range found {
				if len(args) > 0 && !slices.Contains(args, s.Name) {
					continue
				}
				f, err := s.Open()
				if err != nil {
					return pluginError(err)
				}
				sum, err := host.Sum(f)
				f.Close()
				if err != nil {
					return exit(exitPlugin, err)
				}
				d, err := h.Describe(c.Context(), s.Name)
				if err != nil {
					return pluginError(err)
				}
				after[s.Name] = host.Pin{Version: d.Version, SHA256: sum}
			}
			if err := replaceFile(a.lockFile(), []byte(host.FormatPins(after))); err != nil {
				return exit(exitFailed, fmt.Errorf("cannot write the lock file: %w", err))
			}
			return a.printLock(before, after)
		},
	}
}

// printLock prints what has changed.
func (a *app) printLock(before, after map[string]host.Pin) error {
	all := maps.Clone(after)
	for name, pin := range before {
		if _, ok := all[name]; !ok {
			all[name] = pin
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		old, was := before[name]
		now, is := after[name]
		line := "= " + name + " " + now.Version
		switch {
		case !was:
			line = "+ " + name + " " + now.Version + " sha256:" + now.SHA256
		case !is:
			line = "- " + name + " " + old.Version
		case old != now:
			line = "~ " + name + " " + old.Version + " → " + now.Version + " sha256:" + now.SHA256
		}
		fmt.Fprintln(a.out, diagnostic.Escape(line))
	}
	_, err := fmt.Fprintf(a.out, "wrote %s\n", diagnostic.Escape(a.lockFile()))
	return err
}

// replaceFile writes a file so that after a power cut it is the old or the new one.
func replaceFile(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".coppice-new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	for _, step := range []func() error{func() error { return f.Chmod(0o644) }, f.Sync, f.Close, func() error { return os.Rename(f.Name(), file) }} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
