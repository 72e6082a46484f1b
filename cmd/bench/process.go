package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk/protocol"
)

// startsPerRun is how often a plugin is started for each run that is asked for: a start takes milliseconds.
const startsPerRun = 10

// processes measures what being several processes costs: the start of a plugin, memory, and the size of the program.
func (b *bench) processes(ctx context.Context, w *worlds) error {
	b.note("starting processes")
	b.section("4. Processes")
	if err := b.coldStart(ctx); err != nil {
		return err
	}
	if err := b.memory(ctx, w); err != nil {
		return err
	}
	info, err := os.Stat(b.coppice)
	if err != nil {
		return err
	}
	b.claim("the program", mib(info.Size()), "≤ 25 MiB", info.Size() <= 25<<20)
	return nil
}

// coldStart compares the start of a built-in plugin, until it says where it listens, with that of a bare server.
func (b *bench) coldStart(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	builtin := &contender{name: "coppice plugin serve btrfs, until it listens"}
	bare := &contender{name: "a bare go-plugin gRPC server", missing: "not built"}
	bin := filepath.Join(filepath.Dir(self), "bare")
	if _, err := os.Stat(bin); err == nil {
		bare.missing = ""
	}
	for range b.runs * startsPerRun {
		s, err := start(ctx, protocol.Handshake.MagicCookieKey+"="+protocol.Handshake.MagicCookieValue, b.coppice, "plugin", "serve", "btrfs")
		if err != nil {
			return err
		}
		builtin.samples = append(builtin.samples, s)
		if bare.missing != "" {
			continue
		}
		if s, err = start(ctx, "BARE_PLUGIN=1", bin); err != nil {
			return err
		}
		bare.samples = append(bare.samples, s)
	}
	b.columns(fmt.Sprintf("%d starts of each, in turn", len(builtin.samples)))
	b.times(builtin, wall)
	b.times(bare, wall)
	if bare.missing == "" {
		r := ratio(builtin.of(wall).median, bare.of(wall).median)
		b.claim("cold start : a bare server", multiple(r), "≤ 2 ×", r <= 2)
	}
	return nil
}

// start starts a plugin, waits for its first line, and ends it.
func start(ctx context.Context, cookie, program string, args ...string) (s spent, err error) {
	c := exec.CommandContext(ctx, program, args...)
	c.Env = append(os.Environ(), cookie, "PLUGIN_PROTOCOL_VERSIONS=1")
	out, err := c.StdoutPipe()
	if err != nil {
		return s, err
	}
	begin := time.Now()
	if err := c.Start(); err != nil {
		return s, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.wall = time.Since(begin)
	_ = c.Process.Kill()
	_ = c.Wait() // killed
	if fields := strings.Split(line, "|"); err == nil && len(fields) > 3 {
		_ = os.Remove(fields[3]) // its socket
		return s, nil
	}
	return s, fmt.Errorf("%s does not start as a plugin, it says %q: %w", filepath.Base(program), line, err)
}

// memory is the largest sum of the proportional set sizes of runner and plugins, while snapshots are taken and many are kept.
func (b *bench) memory(ctx context.Context, w *worlds) error {
	var most int64
	for range b.runs {
		if err := w.thousand.restore(ctx); err != nil {
			return err
		}
		c := exec.CommandContext(ctx, b.coppice, "run", "snapshot-rotation", "-i", "filesystem="+w.thousand.fs.Mount, "-i", "clock=rtc")
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
	b.claim("memory of runner and one plugin together (PSS), at most", mib(most), "≤ 40 MiB, the bound for four", most <= 40<<20)
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
