package btrfs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/sdk"
)

// rig is a filesystem of its own with the plugin.
type rig struct {
	t      testing.TB
	fs     *loopfs.Filesystem
	host   host
	plugin *sdk.Plugin
	runs   map[int]time.Time

	mu     sync.Mutex
	events []sdk.Event
}

type inputs map[string]any

func newRig(t testing.TB, o loopfs.Options) *rig {
	t.Helper()
	if o.Size == 0 {
		o.Size = 256 << 20
	}
	r := &rig{t: t, fs: loopfs.ForTest(t, o), runs: map[int]time.Time{}}
	dir := t.TempDir()
	r.host = host{
		holdFile: filepath.Join(dir, "hold"),
		cmdline:  filepath.Join(dir, "cmdline"),
		clock:    func() (string, error) { return "", nil },
		now:      time.Now,
		lockWait: 200 * time.Millisecond,
		together: (*kernel.Filesystem).SnapshotTogether,
	}
	r.plugin = newPlugin(r.host)
	return r
}

// request makes the call of a run. The instant of run n is when it was first asked for.
func (r *rig) request(n int, action string, in inputs, prior ...sdk.Change) sdk.Request {
	r.t.Helper()
	if r.runs[n].IsZero() {
		time.Sleep(2 * time.Millisecond) // no two runs have the same stamp
		r.runs[n] = time.Now().UTC()
	}
	all := inputs{"filesystem": r.fs.Mount}
	for k, v := range in {
		all[k] = v
	}
	data, err := json.Marshal(all)
	if err != nil {
		r.t.Fatal(err)
	}
	return sdk.Request{
		Run: fmt.Sprintf("run-%d", n), Step: action, Action: action, Inputs: data, Prior: prior,
		Instant: r.runs[n],
	}
}

func (r *rig) plan(q sdk.Request) *sdk.Plan {
	r.t.Helper()
	p, err := r.plugin.Plan(context.Background(), q)
	if err != nil {
		r.t.Fatalf("cannot plan %s: %v", q.Action, err)
	}
	return p
}

// refuses expects Plan to fail with all of these texts in its diagnostics.
func (r *rig) refuses(q sdk.Request, want ...string) {
	r.t.Helper()
	p, err := r.plugin.Plan(context.Background(), q)
	if err == nil {
		r.t.Fatalf("%s is planned: %s", q.Action, show(p))
	}
	all := told(sdk.Diagnose(err))
	for _, w := range want {
		if !strings.Contains(all, w) {
			r.t.Errorf("expected %q in\n%s", w, all)
		}
	}
}

func (r *rig) apply(q sdk.Request, p *sdk.Plan) *sdk.Result {
	r.t.Helper()
	r.events = nil
	q.Prior = nil
	result, err := r.plugin.Apply(context.Background(), q, p, func(e sdk.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	})
	if err != nil {
		r.t.Fatalf("cannot apply %s: %v", q.Action, err)
	}
	return result
}

// run plans and applies, without an error.
func (r *rig) run(q sdk.Request) (*sdk.Plan, *sdk.Result) {
	r.t.Helper()
	p := r.plan(q)
	if sdk.HasErrors(p.Diagnostics) {
		r.t.Fatalf("plan of %s: %s", q.Action, told(p.Diagnostics))
	}
	result := r.apply(q, p)
	if sdk.HasErrors(result.Diagnostics) {
		r.t.Fatalf("%s: %s", q.Action, told(result.Diagnostics))
	}
	return p, result
}

func (r *rig) snapshot(n int, sources ...string) SnapshotOutput {
	r.t.Helper()
	_, result := r.run(r.request(n, "snapshot", inputs{"sources": sources}))
	return outputs[SnapshotOutput](r.t, result.Outputs)
}

// snapshots takes one of each source in each of n runs.
func (r *rig) snapshots(n int, sources ...string) {
	r.t.Helper()
	for i := range n {
		r.snapshot(i, sources...)
	}
}

func outputs[Out any](t testing.TB, data json.RawMessage) Out {
	t.Helper()
	var out Out
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// btrfs runs the program, which is the oracle.
func (r *rig) btrfs(args ...string) string {
	r.t.Helper()
	return r.exec("btrfs", args...)
}

func (r *rig) exec(name string, args ...string) string {
	r.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("%s %q: %v: %s", name, args, err, &stderr)
	}
	return string(out)
}

func (r *rig) create(paths ...string) {
	r.t.Helper()
	for _, p := range paths {
		r.btrfs("subvolume", "create", r.fs.Path(p))
	}
}

func (r *rig) write(path, content string) {
	r.t.Helper()
	full := r.fs.Path(path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) uuidOf(path string) string {
	r.t.Helper()
	f, err := kernel.Open(context.Background(), r.fs.Mount)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	all, err := f.List()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range all {
		if s.Path == path {
			return s.UUID.String()
		}
	}
	r.t.Fatalf("no subvolume %q", path)
	return ""
}

// names are the resources of all changes.
func names(changes []sdk.Change) []string {
	all := []string{}
	for _, c := range changes {
		all = append(all, string(c.Kind)+" "+c.Resource.Name)
	}
	return all
}

func told(all []sdk.Diagnostic) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%s [%s] %s: %s (%s)\n", d.Severity, d.Reason, d.Path, d.Summary, d.Advice)
	}
	return b.String()
}

func show(v any) string {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := show(got), show(want); g != w {
		t.Errorf("%s:\n%s\nexpected\n%s", what, g, w)
	}
}

// contains expects texts in what was told.
func contains(t testing.TB, all string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("expected %q in\n%s", w, all)
		}
	}
}

// all lists the subvolumes that btrfs.list lists; btrfs itself must list the same.
func (r *rig) all() []string {
	r.t.Helper()
	out := outputs[ListOutput](r.t, r.plan(r.request(0, "list", nil)).Outputs)
	printed := r.btrfs("subvolume", "list", r.fs.Mount)
	paths := []string{}
	newlines := 0
	for _, s := range out.Subvolumes {
		paths = append(paths, s.Path)
		newlines += strings.Count(s.Path, "\n")
		if !strings.Contains(printed, fmt.Sprintf("ID %d ", s.ID)) || !strings.Contains(printed, " path "+s.Path+"\n") {
			r.t.Errorf("btrfs does not list %q", s.Path)
		}
	}
	if n := strings.Count(printed, "\n"); n != len(paths)+newlines {
		r.t.Errorf("btrfs lists %d lines, not %d", n, len(paths)+newlines)
	}
	return paths
}

func (r *rig) records() []string {
	r.t.Helper()
	found, err := filepath.Glob(r.fs.Path(recordsFolder, "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}
