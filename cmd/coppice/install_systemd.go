package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

// systemctl calls systemd's own tool, which waits for what it has asked for.
func systemctl(args ...string) error {
	_, err := systemctlOutput(args...)
	return err
}

func systemctlOutput(args ...string) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, "systemctl", args...)
	c.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		return "", exit(exitFailed, fmt.Errorf("systemctl %s: %w\n%s", strings.Join(args, " "), err, diagnostic.Escape(strings.TrimSpace(string(out)))))
	}
	return string(out), nil
}

// reloadUnits lets systemd read its units anew.
func (a *app) reloadUnits() error {
	if !booted() {
		return nil
	}
	return systemctl("daemon-reload")
}

// startTimers lets systemd read its units anew, and starts timers; those that run already go by their new units then.
func (a *app) startTimers(timers []string) error {
	if !booted() {
		fmt.Fprintln(a.err, "coppice: systemd does not run here; the timers start with the next boot")
		return nil
	}
	if err := a.reloadUnits(); err != nil || len(timers) == 0 {
		return err
	}
	if err := systemctl(append([]string{"restart"}, timers...)...); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "started: %s\nsee when they run next: coppice status\n", strings.Join(timers, " "))
	return nil
}

// stopTimers stops timers before their units go. Runs that they have started go on.
func (a *app) stopTimers(timers []string) {
	if !booted() || len(timers) == 0 {
		return
	}
	if err := systemctl(append([]string{"stop"}, timers...)...); err != nil {
		fmt.Fprintf(a.err, "coppice: %s\n", text(err))
	}
}

// keptThroughBoots refuses what would be gone after the next boot: folders on a subvolume that the rollback at boot replaces.
func (a *app) keptThroughBoots(s *session, force bool, folders ...string) error {
	replaced, err := a.replacedAtBoot(s)
	if err != nil || replaced == nil {
		return err
	}
	defer replaced.Close()
	var all []error
	for _, folder := range folders {
		if subvolume := replaced.holds(folder); subvolume != "" {
			all = append(all, fmt.Errorf("%s is on the subvolume %s, which the rollback at boot replaces", folder, subvolume))
		}
	}
	if len(all) == 0 {
		return nil
	}
	if force {
		for _, err := range all {
			fmt.Fprintf(a.err, "coppice: warning: %s\n", text(err))
		}
		return nil
	}
	return exitError{code: exitFailed, err: errors.Join(all...),
		advice: "mount a folder of a subvolume that stays over it; or have the blank hold it: install with --force, then coppice boot rebase"}
}

// deepest is the nearest folder at or above a path that exists.
func deepest(path string) string {
	for path != "/" && path != "." {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		path = filepath.Dir(path)
	}
	return "/"
}
