package main

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// meddleEnv makes a rehearsal delete, between plan and run, the subvolume at that path of the first copy.
const meddleEnv = "COPPICE_TEST_MEDDLE"

func init() {
	path := os.Getenv(meddleEnv)
	if path == "" {
		return
	}
	meddle = func(p *performance) {
		f, err := kernel.OpenDevice(context.Background(), p.set.Copies[0].Image.Device(), false)
		if err != nil {
			panic(err)
		}
		defer f.Close()
		s, _, err := f.AtPath(path)
		if err == nil {
			err = f.DeleteByUUID(s.ID, s.UUID)
		}
		if err != nil {
			panic(err)
		}
	}
}

func needBtrfs(t *testing.T) {
	t.Helper()
	need.Root(t)
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		need.Missing(t, "btrfs", "mkfs.btrfs is not installed")
	}
}

// TestRehearsalFindsADifference: what nobody has planned is a failure, although run and plan agree.
func TestRehearsalFindsADifference(t *testing.T) {
	needBtrfs(t)
	code, out, errs := coppice(t, []string{meddleEnv + "=cache"}, "rehearse", "snapshot-rotation", "--json")
	if code != exitFailed {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	var doc struct {
		Rehearsal rehearse.Result `json:"rehearsal"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	if d := doc.Rehearsal.Differences; len(d) != 1 || !strings.Contains(d[0].Text, `"cache" is gone, which no step has planned`) {
		t.Errorf("differences %v", d)
	}
	// And what was planned of something that is not there any more.
	code, out, _ = coppice(t, []string{meddleEnv + "=services"}, "rehearse", "snapshot-rotation")
	if code != exitFailed || !strings.Contains(out, "planned, did not happen") || !strings.Contains(out, "It did not happen as planned") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestRehearsalWithholds: a plugin that no sandbox holds plans its step on the machine, and does not apply it; what depends on its outputs
// is not applied either; all else is.
func TestRehearsalWithholds(t *testing.T) {
	needBtrfs(t)
	dir := t.TempDir()
	value := func() string {
		data, err := os.ReadFile("/proc/sys/vm/swappiness")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(data))
	}
	before := value()
	other := "41"
	if before == other {
		other = "42"
	}
	file := filepath.Join(dir, "held.yaml")
	text := "version: 1\nname: held\ninputs:\n  filesystem: {type: filesystem, default: /}\nsteps:\n" +
		"  - id: tune\n    uses: sysctl.set\n    with: {values: {vm.swappiness: \"" + other + "\"}}\n" +
		"  - id: make\n    uses: btrfs.create\n    with: {filesystem: \"${{ inputs.filesystem }}\", subvolume: made}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := coppice(t, nil, "rehearse", file)
	if code != exitOK || !strings.Contains(out, "planned only: the sandbox does not hold what sysctl changes") ||
		!strings.Contains(out, "made") || !strings.Contains(out, "It happened as planned.") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if now := value(); now != before {
		t.Errorf("vm.swappiness was %s and is %s", before, now)
	}
}

// TestRehearsalOfAYear: what a year of runs really leaves is what simulate says of it, run by run.
func TestRehearsalOfAYear(t *testing.T) {
	needBtrfs(t)
	layout := filepath.Join(t.TempDir(), "layout.yaml")
	text := "format: coppice.layout\nversion: 1\nfilesystems:\n  - subvolumes: [{path: root}]\n    series: [{of: root, into: snapshots, every: 6h, count: 10}]\n"
	if err := os.WriteFile(layout, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := must(t, "rehearse", "snapshot-rotation", "--layout", layout, "-i", "subvolumes=root", "-i", "daily=14", "-i", "weekly=8", "-i", "monthly=12", "-i", "retention=2d",
		"--days", "365", "--every", "1d", "--at", "2027-01-01T00:00:00Z", "--json")
	var doc struct {
		Timeline rehearse.Timeline `json:"timeline"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Timeline.Differences) > 0 || len(doc.Timeline.Happened.Runs) != 365 || len(doc.Timeline.Happened.Failures) > 0 {
		t.Errorf("%d runs, differences %v, failures %v", len(doc.Timeline.Happened.Runs), doc.Timeline.Differences, doc.Timeline.Happened.Failures)
	}
}

// TestRehearsalIsKilled: whatever process of a rehearsal is killed, whenever: no mount, no loop device, no file and no process is left.
func TestRehearsalIsKilled(t *testing.T) {
	needBtrfs(t)
	seed := uint64(number("COPPICE_TEST_SEED", int(time.Now().UnixNano()%1_000_000)))
	t.Logf("COPPICE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	mark := "COPPICE_TEST_KILLED=" + strconv.FormatUint(seed, 36)
	for n := range 20 {
		c := &exec.Cmd{Path: plain, Args: []string{"coppice", "rehearse", "snapshot-rotation"}, Env: append(os.Environ(), mark, "TMPDIR="+dir)}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		all := processesWith(t, mark)
		if len(all) > 0 {
			victim := all[random.IntN(len(all))]
			_ = syscall.Kill(victim, syscall.SIGKILL) // it may have ended
		}
		_ = c.Wait() // however it ended
		left := ""
		for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if left = leftovers(t, mark, dir); left == "" {
				break
			}
		}
		if left != "" {
			t.Fatalf("round %d: %s", n, left)
		}
	}
}

// processesWith are those with a variable in their environment.
func processesWith(t *testing.T, variable string) []int {
	t.Helper()
	var all []int
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains("\x00"+string(data), "\x00"+variable+"\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// leftovers is what is left of a rehearsal; "" when nothing is.
func leftovers(t *testing.T, mark, dir string) string {
	t.Helper()
	if all := processesWith(t, mark); len(all) > 0 {
		return "processes are left"
	}
	backing, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range backing {
		if data, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(data), dir) {
			return "a loop device is left: " + file
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		return "files are left in " + dir
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), " /run/coppice") {
		return "a mount is left"
	}
	entries, err := os.ReadDir("/run/coppice")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name == "root" || name == "sockets" || name == "build" || name == "empty" {
			return "/run/coppice/" + name + " is left"
		}
	}
	return ""
}
