package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

const killedPlaybook = `version: 1
name: killed
steps:
  - {id: before, uses: btrfs.usage, with: {filesystem: FS}}
  - {id: take, uses: btrfs.snapshot, with: {filesystem: FS, sources: [root, persist], clock: rtc}}
  - {id: child, uses: trouble.children}
  - {id: one, uses: btrfs.snapshot, with: {filesystem: FS, sources: [services], into: other, clock: rtc}}
  - {id: expire, uses: btrfs.prune, with: {filesystem: FS, sources: [root, persist], last: 3, clock: rtc}}
  - {id: expire_one, uses: btrfs.prune, with: {filesystem: FS, snapshots: other, last: 2, clock: rtc}}
always:
  - {id: end, uses: btrfs.list, with: {filesystem: FS, under: snapshots}}
`

// TestKillTheRunner kills the runner again and again, at moments that are spread over all
// of a run: while it starts, at each of its events, and a little behind them. Whatever the
// moment, nothing is left in the way of the next run, nothing is left running, the record
// can be read, and no snapshot is there that nobody knows of.
//
// COPPICE_TEST_KILLS is how often, COPPICE_TEST_SEED which moments.
func TestKillTheRunner(t *testing.T) {
	kills := number("COPPICE_TEST_KILLS", 100)
	seed := number("COPPICE_TEST_SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("COPPICE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	k := newKilling(t)
	begin := time.Now()
	events := k.run(nil, "unhindered") // how many events a whole run has
	k.took = time.Since(begin)
	if events < 10 || k.seen() != nil {
		t.Fatalf("a run that nobody kills: %d events", events)
	}
	dead := 0
	for i := range kills {
		at := moment{after: random.IntN(events + 1)}
		if at.after == 0 {
			at.delay = time.Duration(random.Int64N(int64(k.took) / 2)) // it starts
		} else {
			at.delay = time.Duration(random.Int64N(int64(4 * time.Millisecond)))
		}
		mark := fmt.Sprintf("%d-%d-%d", os.Getpid(), seed, i)
		k.run(&at, mark)
		vanish(t, mark)
		interrupted := k.seen()
		if len(interrupted) > 0 {
			dead++
		}
		for _, r := range interrupted {
			k.true(r)
			k.goOn(r)
		}
		k.known()
		if t.Failed() {
			t.Fatalf("kill %d, %+v", i, at)
		}
	}
	t.Logf("%d kills, %d of them in a run with a record", kills, dead)
}

// What a plugin has started goes with the runner, whatever it has done to stay.
func TestKilledRunnerLeavesNoProcess(t *testing.T) {
	need.Root(t) // without, the promise is the process group only
	dir := t.TempDir()
	playbook := filepath.Join(dir, "p.yaml")
	text := "version: 1\nname: p\nsteps: [{uses: trouble.children, with: {wait: true}}]\n"
	if err := os.WriteFile(playbook, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, signal := range []os.Signal{os.Kill, syscall.SIGTERM} {
		mark := fmt.Sprintf("%d-%v", os.Getpid(), signal)
		c := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"coppice", "run", playbook},
			Env: append(os.Environ(), "COPPICE_STATE_DIR="+dir, troubleEnv+"=1", markEnv+"="+mark)}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// The runner, the plugin, and two children of it.
		for i := 0; len(marked(mark)) < 4; i++ {
			if time.Sleep(10 * time.Millisecond); i == 3000 {
				t.Fatalf("after 30 s: %q", marked(mark))
			}
		}
		_ = c.Process.Signal(signal)
		_ = c.Wait()
		vanish(t, mark)
	}
}

func number(env string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(env)); err == nil {
		return n
	}
	return otherwise
}

// moment of a kill: a time after so many events.
type moment struct {
	after int
	delay time.Duration
}

type killing struct {
	t        *testing.T
	fs       *loopfs.Filesystem
	playbook string
	state    string
	took     time.Duration
	records  map[string]bool // seen already
}

func newKilling(t *testing.T) *killing {
	k := &killing{t: t, fs: loopfs.ForTest(t, loopfs.Options{Size: 256 << 20}), records: map[string]bool{}}
	if err := history.Create(context.Background(), k.fs, []string{"root", "persist", "services"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k.playbook, k.state = filepath.Join(dir, "killed.yaml"), filepath.Join(dir, "state")
	if err := os.WriteFile(k.playbook, []byte(strings.ReplaceAll(killedPlaybook, "FS", k.fs.Mount)), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *killing) env(mark string) []string {
	return append(os.Environ(), "COPPICE_STATE_DIR="+k.state, troubleEnv+"=1", markEnv+"="+mark)
}

// run starts a run, and kills it at that moment; nil: never. It returns how many events
// there were.
func (k *killing) run(at *moment, mark string) (events int) {
	k.t.Helper()
	c := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"coppice", "run", k.playbook, "--json"}, Env: k.env(mark)}
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	kill := func() {
		time.Sleep(at.delay)
		_ = c.Process.Kill()
	}
	if at != nil && at.after == 0 {
		kill()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		events++
		if at != nil && at.after == events {
			kill()
		}
	}
	if err := c.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
		k.t.Errorf("it ended by itself: %v\n%s", err, errs.String())
	}
	return events
}

// seen reads the records that are new, and returns those of interrupted runs.
func (k *killing) seen() (interrupted []*journal.Record) {
	k.t.Helper()
	files, _ := filepath.Glob(filepath.Join(k.state, "runs", "*"))
	for _, file := range files {
		run := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		if k.records[run] {
			continue
		}
		k.records[run] = true
		r, err := journal.Read([]string{k.state}, run)
		switch {
		case err != nil:
			k.t.Errorf("%v", err)
		case len(r.Problems) > 0:
			k.t.Errorf("the record of run %s: %s", run, strings.Join(r.Problems, "; "))
		case r.Status == journal.Interrupted:
			interrupted = append(interrupted, r)
		case !r.Ended() || r.Status != "succeeded":
			k.t.Errorf("run %s: %s", run, r.Status)
		}
	}
	return interrupted
}

// true holds the record of a run that was just killed against the filesystem: what it says
// was made is so, and what is there of that run it knows of.
func (k *killing) true(r *journal.Record) {
	k.t.Helper()
	there := map[string]bool{}
	for _, s := range subvolumes(k.t, k.fs.Mount) {
		there[s.Path] = true
	}
	planned := map[string]bool{}
	for _, step := range r.Steps {
		for _, c := range step.Planned {
			planned[c.Resource.Name] = true
		}
		for _, c := range step.Made {
			if c.Kind != sdk.Run && there[c.Resource.Name] != (c.Kind == sdk.Create) {
				k.t.Errorf("run %s: %s %s is recorded, and not so", r.Run, c.Kind, c.Resource.Name)
			}
		}
	}
	for path := range there {
		if filepath.Base(path) == r.Instant.Format("20060102T150405.000Z") && !planned[path] {
			k.t.Errorf("run %s: its record does not know of %s", r.Run, path)
		}
	}
}

// goOn does what somebody does after a run was killed: this is the place of coppice resume.
// It takes the lock without waiting for it.
func (k *killing) goOn(*journal.Record) {
	k.t.Helper()
	if events := k.run(nil, "again"); events == 0 {
		k.t.Error("the run after it did not begin")
	}
	if again := k.seen(); len(again) > 0 {
		k.t.Errorf("the run after it was interrupted: %s", again[0].Run)
	}
}

// known holds what is on the filesystem against the catalogue: a snapshot is there only
// if it is recorded, and so can be expired some time.
func (k *killing) known() {
	k.t.Helper()
	for _, s := range subvolumes(k.t, k.fs.Mount) {
		if strings.Contains(s.Path, "/") && !s.Managed {
			k.t.Errorf("%s is not in the catalogue", s.Path)
		}
	}
}

type listedSubvolume struct {
	Path     string `json:"path"`
	UUID     string `json:"uuid"`
	ReadOnly bool   `json:"read_only"`
	Managed  bool   `json:"managed"`
}

// subvolumes are those of the filesystem, as the plugin sees them.
func subvolumes(t *testing.T, mount string) []listedSubvolume {
	t.Helper()
	inputs, _ := json.Marshal(map[string]any{"filesystem": mount})
	p, err := btrfs.New().Plan(context.Background(), sdk.Request{ID: "1", Action: "list", Inputs: inputs})
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Subvolumes []listedSubvolume }
	if err := json.Unmarshal(p.Outputs, &out); err != nil {
		t.Fatal(err)
	}
	return out.Subvolumes
}
