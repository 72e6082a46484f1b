package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// idle has a step for each plugin that the shipped playbooks use but btrfs, which starts it. Where there is no service manager it fails.
var idle = map[string]string{
	"notify":  "uses: notify.ping, with: {url: \"http://127.0.0.1:1/nobody\"}",
	"sysctl":  "uses: sysctl.get, with: {keys: [vm.swappiness]}",
	"systemd": "uses: systemd.status, with: {unit: nothing.service}",
}

// busyPlaybook takes and expires snapshots while all those plugins run.
func (b *bench) busyPlaybook(plugins []string) (path string, err error) {
	var steps strings.Builder
	steps.WriteString("steps:\n")
	for _, name := range plugins {
		switch step := idle[name]; {
		case step != "":
			fmt.Fprintf(&steps, "  - {id: with_%s, continue_on_error: true, %s}\n", name, step)
		case name != "btrfs":
			return "", fmt.Errorf("there is a plugin %q now: write a step for it", name)
		}
	}
	fmt.Fprintf(&steps, "  - {id: take, uses: btrfs.snapshot, with: {filesystem: \"${{ inputs.filesystem }}\", sources: [%s]}}\n"+
		"  - {id: expire, uses: btrfs.prune, with: {filesystem: \"${{ inputs.filesystem }}\", within: 400d, clock: rtc}}\n", strings.Join(sources, ", "))
	return b.writePlaybook("bench-memory", steps.String())
}

// builtins asks the program which plugins it has, for what the shipped playbooks do.
func (b *bench) builtins(ctx context.Context) (names []string, err error) {
	out, err := exec.CommandContext(ctx, b.coppice, "plugin", "list", "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("coppice plugin list: %w", err)
	}
	var list struct {
		Plugins []struct{ Name, Source string }
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("coppice plugin list: %w", err)
	}
	for _, p := range list.Plugins {
		if p.Source == "built in" && p.Name != "script" { // which runs what people write
			names = append(names, p.Name)
		}
	}
	return names, nil
}

// memory is the largest sum of the proportional set sizes of the runner and all built-in plugins, while snapshots are taken and many
// are kept.
func (b *bench) memory(ctx context.Context, w *worlds) error {
	plugins, err := b.builtins(ctx)
	if err != nil {
		return err
	}
	playbook, err := b.busyPlaybook(plugins)
	if err != nil {
		return err
	}
	var most int64
	for range b.runs {
		if err := w.thousand.restore(ctx); err != nil {
			return err
		}
		c := exec.CommandContext(ctx, b.coppice, "run", playbook, "-i", "filesystem="+w.thousand.fs.Mount)
		c.Env = append(os.Environ(), "COPPICE_CONFIG_DIR=/etc/coppice")
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		if err := c.Start(); err != nil {
			return err
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		for running := true; running; {
			select {
			case err := <-ended:
				if err != nil {
					return fmt.Errorf("coppice run: %w\n%s", err, tail(said.Bytes()))
				}
				running = false
			case <-time.After(time.Millisecond):
				if size, err := familySize(c.Process.Pid); err == nil {
					most = max(most, size)
				}
			}
		}
	}
	if most == 0 {
		return errors.New("cannot read smaps_rollup and children in /proc, so memory is not measured")
	}
	b.claim(fmt.Sprintf("memory of runner and %d plugins together (PSS), at most", len(plugins)), mib(most), "≤ 40 MiB", most <= 40<<20)
	return nil
}

// familySize adds up the proportional set sizes of a process and its children.
func familySize(pid int) (int64, error) {
	size, err := setSize(pid)
	if err != nil {
		return 0, err
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, path := range threads {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that has ended
		}
		for _, field := range strings.Fields(string(data)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return 0, err
			}
			if more, err := setSize(child); err == nil {
				size += more
			}
		}
	}
	return size, nil
}

// setSize is the proportional set size of a process in bytes, see proc_pid_smaps(5).
func setSize(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("smaps_rollup has no Pss")
}

func mib(size int64) string { return fmt.Sprintf("%.1f MiB", float64(size)/(1<<20)) }
