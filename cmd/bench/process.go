package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk/protocol"
)

// startsPerRun is how often a plugin is started for each run that is asked for: a start takes milliseconds.
const startsPerRun = 10

// processes measures what being several processes costs: the start of a plugin, memory, and the size of the program.
func (b *bench) processes(ctx context.Context, w *worlds) error {
	b.note("starting processes")
	b.section("5. Processes")
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
