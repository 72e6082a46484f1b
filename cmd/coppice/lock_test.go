package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// Two runs that change one filesystem's names exclude each other; on two
// filesystems they don't; who waits gets its turn.
func TestRunsExcludeEachOther(t *testing.T) {
	one := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	two := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	for _, fs := range []*loopfs.Filesystem{one, two} {
		if err := history.Create(context.Background(), fs, append(critical, "snapshots")); err != nil {
			t.Fatal(err)
		}
	}
	playbook := filepath.Join(t.TempDir(), "long.yaml")
	text := "version: 1\nname: long\nsteps:\n" +
		"  - {id: take, uses: btrfs.snapshot, with: {filesystem: " + one.Mount + ", sources: [root]}}\n" +
		"  - {id: look, for_each: [" + strings.Repeat("1, ", 9000) + "1], uses: btrfs.usage, with: {filesystem: " + one.Mount + "}}\n" +
		"  - {id: later, uses: btrfs.create, with: {filesystem: " + one.Mount + ", subvolume: later}}\n"
	if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &exec.Cmd{Path: raced, Args: []string{"coppice", "run", playbook}}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	holding := make(chan struct{})
	go func() {
		defer close(ended)
		for scanner, first := bufio.NewScanner(out), true; scanner.Scan(); {
			if first && strings.Contains(scanner.Text(), "step take: changed") {
				first = false
				close(holding)
			}
		}
	}()
	<-holding
	rotate := func(fs *loopfs.Filesystem, flags ...string) (int, string, string) {
		return coppice(t, nil, append([]string{"run", "snapshot-rotation", "-i", "filesystem=" + fs.Mount}, flags...)...)
	}
	code, stdout, stderr := rotate(one)
	if code != 75 || !strings.Contains(stderr, "in use by run") || !strings.Contains(stderr, " of long (process ") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if n := len(snapshots(t, one.Mount)); n != 1 {
		t.Errorf("%d snapshots", n)
	}
	if code, stdout, stderr := rotate(two); code != 0 {
		t.Errorf("on another filesystem: exit code %d\n%s%s", code, stdout, stderr)
	}
	waited := make(chan int, 1)
	go func() {
		code, _, _ := rotate(one, "--wait")
		waited <- code
	}()
	_ = c.Process.Signal(syscall.SIGTERM)
	<-ended
	if err := c.Wait(); c.ProcessState.ExitCode() != 143 {
		t.Errorf("the first run: %v", err)
	}
	if code := <-waited; code != 0 {
		t.Errorf("after waiting: exit code %d", code)
	}
	if n := len(snapshots(t, one.Mount)); n != 5 {
		t.Errorf("%d snapshots in the end", n)
	}

	// Somebody who is no coppice of this machine, but holds the kernel's lock.
	f, err := kernel.Open(context.Background(), one.Mount)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unlock, err := f.LockNames(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr = rotate(one)
	if code != 75 || !strings.Contains(stderr, "another process changes the names of btrfs") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	unlock()
	if code, _, stderr := rotate(one); code != 0 {
		t.Errorf("after it was let go: exit code %d\n%s", code, stderr)
	}
}
