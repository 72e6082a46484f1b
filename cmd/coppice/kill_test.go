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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

const killedPlaybook = `version: 1
name: killed
inputs: {filesystem: {type: filesystem, default: FS}} # where its record is, then
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
// can be read, no snapshot is there that nobody knows of, and who goes on with the run does
// nothing again that is recorded as finished.
//
// COPPICE_TEST_KILLS is how often, COPPICE_TEST_SEED which moments.
func TestKillTheRunner(t *testing.T) {
	t.Parallel()
	kills := number("COPPICE_TEST_KILLS", 100)
	seed := number("COPPICE_TEST_SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("COPPICE_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	k := newKilling(t, random)
	begin := time.Now()
	k.events = k.coppice(nil, "unhindered", "run", k.playbook) // how many a whole run has
	k.took = time.Since(begin)
	if records := k.seen(); k.events < 10 || len(records) != 1 || records[0].Status != engine.Succeeded {
		t.Fatalf("a run that nobody kills: %d events, %+v", k.events, records)
	}
	dead, resumed := 0, 0
	for range kills {
		at := k.moment()
		chain := k.killed(at, "run", k.playbook)
		if len(chain) > 0 {
			dead++
		}
		switch n := random.IntN(3); {
		case len(chain) == 0 || n == 0: // somebody starts all over again
			k.coppice(nil, "again", "run", k.playbook)
			for _, r := range k.seen() {
				if r.Status != engine.Succeeded {
					t.Errorf("the run after it: %s", r.Status)
				}
			}
		default:
			k.resume(chain, n == 1)
			resumed++
		}
		k.known()
		if t.Failed() {
			t.Fatalf("killed at %+v", at)
		}
	}
	tally.Add(t, "%d kills, %d of them in a run with a record, %d gone on with", kills, dead, resumed)
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
		c := &exec.Cmd{Path: plain, Args: []string{"coppice", "run", playbook},
			Env: append(os.Environ(), "COPPICE_STATE_DIR="+dir, schemasVariable+"=", troubleEnv+"=1", markEnv+"="+mark)}
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
	random   *rand.Rand
	fs       *loopfs.Filesystem
	playbook string
	state    string
	took     time.Duration // of a whole run
	events   int           // in it
	kills    int
	records  map[string]bool // seen already
}

func newKilling(t *testing.T, random *rand.Rand) *killing {
	k := &killing{t: t, random: random, fs: loopfs.ForTest(t, loopfs.Options{Size: 256 << 20}), records: map[string]bool{}}
	if err := history.Create(context.Background(), k.fs, []string{"root", "persist", "services"}); err != nil {
		t.Fatal(err)
	}
	k.playbook, k.state = filepath.Join(t.TempDir(), "killed.yaml"), k.fs.Path(".coppice")
	if err := os.WriteFile(k.playbook, []byte(strings.ReplaceAll(killedPlaybook, "FS", k.fs.Mount)), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// moment is one in which a run starts, or one behind any of its events.
func (k *killing) moment() moment {
	at := moment{after: k.random.IntN(k.events + 1)}
	if at.after == 0 {
		at.delay = time.Duration(k.random.Int64N(int64(k.took) / 2))
	} else {
		at.delay = time.Duration(k.random.Int64N(int64(4 * time.Millisecond)))
	}
	return at
}

// coppice starts a command, and kills it at that moment; nil: never. It returns how many
// events there were.
func (k *killing) coppice(at *moment, mark string, args ...string) (events int) {
	k.t.Helper()
	c := &exec.Cmd{Path: plain, Args: append(append([]string{"coppice"}, args...), "--json"),
		Env: append(os.Environ(), "COPPICE_STATE_DIR=", schemasVariable+"=", troubleEnv+"=1", markEnv+"="+mark)}
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
	if err := c.Wait(); err != nil && (at == nil || !strings.Contains(err.Error(), "killed")) {
		k.t.Errorf("%q ended by itself: %v\n%s", args, err, errs.String())
	}
	return events
}

// killed kills a command at a moment, and returns the record of its run, if that was
// interrupted. Nothing of it is left running.
func (k *killing) killed(at moment, args ...string) []*journal.Record {
	k.t.Helper()
	k.kills++
	mark := fmt.Sprintf("%d-%d", os.Getpid(), k.kills)
	k.coppice(&at, mark, args...)
	vanish(k.t, mark)
	records := slices.DeleteFunc(k.seen(), func(r *journal.Record) bool { return r.Status == engine.Succeeded })
	for _, r := range records {
		if r.Status != journal.Interrupted {
			k.t.Errorf("run %s was killed, and is %s", r.Run, r.Status)
		}
		k.true(r)
	}
	return records
}

// seen reads the records that are new.
func (k *killing) seen() (all []*journal.Record) {
	k.t.Helper()
	files, _ := filepath.Glob(filepath.Join(k.state, "runs", "*"))
	for _, file := range files {
		run := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		if k.records[run] {
			continue
		}
		k.records[run] = true
		r, err := journal.Read([]string{k.state}, run)
		if err != nil {
			k.t.Errorf("%v", err)
			continue
		}
		if len(r.Problems) > 0 {
			k.t.Errorf("the record of run %s: %s", run, strings.Join(r.Problems, "; "))
		}
		all = append(all, r)
	}
	return all
}

// resume goes on with a run until it is done; with again it is killed once more on the way.
// No step that is recorded as finished is done once more.
func (k *killing) resume(chain []*journal.Record, again bool) {
	k.t.Helper()
	for range 3 {
		last := chain[len(chain)-1]
		if again {
			again = false
			chain = append(chain, k.killed(k.moment(), "resume", last.Run, "--filesystem", k.fs.Mount)...)
			k.once(chain)
			if left, err := journal.Read([]string{k.state}, last.Run); err != nil || k.succeeded(left.Run) {
				return
			}
			continue
		}
		k.coppice(nil, "resumed", "resume", last.Run, "--filesystem", k.fs.Mount)
		chain = append(chain, k.seen()...)
		k.once(chain)
		if r := chain[len(chain)-1]; r.Status != engine.Succeeded || r.Resumes != last.Run {
			k.t.Errorf("run %s goes on with %s of %s: %s", r.Run, r.Resumes, last.Run, r.Status)
		}
		return
	}
}

// succeeded reports whether a run that goes on from that one has come to its end.
func (k *killing) succeeded(run string) bool {
	all, err := journal.List([]string{k.state})
	if err != nil {
		k.t.Error(err)
	}
	for _, r := range all.Runs {
		if r.Resumes == run && r.Status == engine.Succeeded {
			return true
		}
	}
	return false
}

// once holds the last of the runs that go on from each other against those before: what they
// have finished it has not touched, and what they have made is still the same.
func (k *killing) once(chain []*journal.Record) {
	k.t.Helper()
	there := map[string]bool{}
	for _, s := range subvolumes(k.t, k.fs.Mount) {
		there[s.UUID] = true
	}
	last := chain[len(chain)-1]
	for _, r := range chain[:len(chain)-1] {
		for _, before := range r.Steps {
			if before.Result == nil || before.Step.Section != engine.SectionSteps || before.Result.Status.Bad() || before.Result.Status == engine.Unreached {
				continue
			}
			for _, now := range last.Steps {
				if now.Step.ID == before.Step.ID && (len(now.Planned) > 0 || len(now.Made) > 0 || now.Result == nil || now.Result.Resumed == "") {
					k.t.Errorf("step %s is recorded as finished in run %s, and was begun again in run %s: planned %+v, made %+v, result %+v", now.Step.ID, r.Run, last.Run, now.Planned, now.Made, now.Result)
				}
			}
			var taken struct{ Snapshots []struct{ UUID string } }
			_ = json.Unmarshal(before.Result.Outputs, &taken)
			for _, s := range taken.Snapshots {
				if !there[s.UUID] {
					k.t.Errorf("snapshot %s of step %s of run %s is another one now", s.UUID, before.Step.ID, r.Run)
				}
			}
		}
	}
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
	for resumed := r.Resumes; resumed != ""; { // of the same instant
		before, err := journal.Read([]string{k.state}, resumed)
		if err != nil {
			k.t.Fatal(err)
		}
		for _, step := range before.Steps {
			for _, c := range step.Planned {
				planned[c.Resource.Name] = true
			}
		}
		resumed = before.Resumes
	}
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
