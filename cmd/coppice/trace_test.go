package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// A preview leaves no trace: not a byte of the filesystem's device is another one, and
// where the program keeps its state and its configuration nothing is made or touched.
// These are empty folders of a mount namespace of its own, so that nobody else is to blame.
func TestPreviewLeavesNoTrace(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	ctx := context.Background()
	if err := history.Create(ctx, fs, append(critical, "snapshots")); err != nil {
		t.Fatal(err)
	}
	if err := history.Take(ctx, fs, critical, history.Every(6*time.Hour, 8, time.Now())); err != nil {
		t.Fatal(err)
	}
	playbook := filepath.Join(t.TempDir(), "all.yaml")
	text := `version: 1
name: all
inputs: {filesystem: {type: filesystem, default: FS}}
steps:
  - {id: usage, uses: btrfs.usage, with: {filesystem: FS}}
  - {id: create, uses: btrfs.create, with: {filesystem: FS, subvolume: new}}
  - {id: take, uses: btrfs.snapshot, with: {filesystem: FS, sources: [root, new], into: other, clock: rtc}}
  - {id: expire, uses: btrfs.prune, with: {filesystem: FS, last: 2, clock: rtc}}
  - {id: list, uses: btrfs.list, with: {filesystem: FS}}
  - {id: bad, uses: btrfs.delete, with: {filesystem: FS, subvolumes: [root]}}
always:
  - {id: child, uses: trouble.children}
`
	if err := os.WriteFile(playbook, []byte(strings.ReplaceAll(text, "FS", fs.Mount)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"plan", playbook}, {"plan", playbook, "--json"}, {"plan", playbook, "--at", "2031-01-01"},
		{"plan", "snapshot-rotation", "-i", "filesystem=" + fs.Mount, "-i", "clock=rtc", "-i", "last=2", "-i", "retention=1h"},
		{"validate", playbook}, {"show", "snapshot-rotation"},
	} {
		digestOf(t, fs) // the kernel comes to rest
		before := contents(t, fs.Image[0])
		// What is in the folders afterwards, with all times; a "." is the folder itself.
		const script = `set -eu
			for dir in /run /etc /var /root /home; do mount -t tmpfs -o mode=755 trace "$dir"; done
			look() { find /run /etc /var /root /home -printf '%p %y %m %T@ %C@\n'; }
			look >"$0.before"
			"$@" >"$0.out" 2>&1 || true
			look >"$0.after"`
		to := filepath.Join(t.TempDir(), "look")
		c := exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", script, to, os.Args[0] + "-coppice"}, args...)...)
		c.Env = append(os.Environ(), "COPPICE_STATE_DIR=", troubleEnv+"=1")
		link := os.Args[0] + "-coppice" // the test binary is coppice by its name
		if err := os.WriteFile(link, []byte("#!/bin/bash\nexec -a coppice "+self(t)+" \"$@\"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := c.CombinedOutput()
		os.Remove(link)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		said, _ := os.ReadFile(to + ".out")
		if !strings.Contains(string(said), map[string]string{"plan": "expire", "validate": "ok", "show": "expire"}[args[0]]) {
			t.Errorf("%v said only %q", args, said)
		}
		looked, _ := os.ReadFile(to + ".before")
		now, _ := os.ReadFile(to + ".after")
		// The folder of /run in which the sockets of the plugins were has another time of change.
		if want, got := untimed(string(looked)), untimed(string(now)); want != got || len(looked) == 0 {
			t.Errorf("%v: there was\n%sand is\n%s", args, looked, now)
		}
		digestOf(t, fs)
		if after := contents(t, fs.Image[0]); after != before {
			t.Errorf("%v has written to the filesystem", args)
		}
	}
}

// untimed leaves the times of /run itself out.
func untimed(found string) string {
	var b strings.Builder
	for line := range strings.Lines(found) {
		if strings.HasPrefix(line, "/run d ") {
			line = "/run d\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func contents(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}
