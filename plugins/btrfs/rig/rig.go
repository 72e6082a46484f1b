// Package rig is for tests of the btrfs plugin's actions: a filesystem of the test's own with some actions on it, called as the
// runner calls them, and texts to compare. It is linked into no program.
package rig

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
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

// Rig is a filesystem of its own with the plugin.
type Rig struct {
	T      testing.TB
	FS     *loopfs.Filesystem
	Host   volume.Host
	Plugin *sdk.Plugin
	// Instants of runs, by their number.
	Instants map[int]time.Time

	mu     sync.Mutex
	Events []sdk.Event
}

// Inputs of an action, but for the filesystem.
type Inputs map[string]any

// New makes a filesystem, of 256 MiB unless o says so, and a plugin with these actions. Its clock is one to believe, and
// no hold switch is on.
func New(t testing.TB, o loopfs.Options, actions func(volume.Host) []sdk.Action) *Rig {
	t.Helper()
	if o.Size == 0 {
		o.Size = 256 << 20
	}
	r := &Rig{T: t, FS: loopfs.ForTest(t, o), Instants: map[int]time.Time{}}
	dir := t.TempDir()
	r.Host = volume.Host{
		HoldFile: filepath.Join(dir, "hold"),
		Cmdline:  filepath.Join(dir, "cmdline"),
		Clock:    func() (string, error) { return "", nil },
		Now:      time.Now,
		LockWait: 200 * time.Millisecond,
		Together: (*kernel.Filesystem).SnapshotTogether,
	}
	r.Use(r.Host, actions)
	return r
}

// Use makes the plugin anew, for that host. Host itself stays what it was.
func (r *Rig) Use(h volume.Host, actions func(volume.Host) []sdk.Action) {
	r.Plugin = &sdk.Plugin{Name: "btrfs", Version: "0", Actions: actions(h)}
	if h.Locks != nil {
		r.Plugin.Locks = h.Locks
	}
}

// Request makes the call of a run. The instant of run n is when it was first asked for.
func (r *Rig) Request(n int, action string, in Inputs, prior ...sdk.Change) sdk.Request {
	r.T.Helper()
	if r.Instants[n].IsZero() {
		time.Sleep(2 * time.Millisecond) // no two runs have the same stamp
		r.Instants[n] = time.Now().UTC()
	}
	all := Inputs{"filesystem": r.FS.Mount}
	for k, v := range in {
		all[k] = v
	}
	data, err := json.Marshal(all)
	if err != nil {
		r.T.Fatal(err)
	}
	return sdk.Request{
		Run: fmt.Sprintf("run-%d", n), Step: action, Action: action, Inputs: data, Prior: prior,
		Instant: r.Instants[n],
	}
}

// Plan plans, without an error.
func (r *Rig) Plan(q sdk.Request) *sdk.Plan {
	r.T.Helper()
	p, err := r.Plugin.Plan(context.Background(), q)
	if err != nil {
		r.T.Fatalf("cannot plan %s: %v", q.Action, err)
	}
	return p
}

// Refuses expects Plan to fail with all of these texts in its diagnostics.
func (r *Rig) Refuses(q sdk.Request, want ...string) {
	r.T.Helper()
	p, err := r.Plugin.Plan(context.Background(), q)
	if err == nil {
		r.T.Fatalf("%s is planned: %s", q.Action, Show(p))
	}
	all := Told(sdk.Diagnose(err))
	for _, w := range want {
		if !strings.Contains(all, w) {
			r.T.Errorf("expected %q in\n%s", w, all)
		}
	}
}

// Apply applies a plan. What it emits is in Events.
func (r *Rig) Apply(q sdk.Request, p *sdk.Plan) *sdk.Result {
	r.T.Helper()
	r.Events = nil
	q.Prior = nil
	result, err := r.Plugin.Apply(context.Background(), q, p, func(e sdk.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.Events = append(r.Events, e)
	})
	if err != nil {
		r.T.Fatalf("cannot apply %s: %v", q.Action, err)
	}
	return result
}

// Run plans and applies, without an error.
func (r *Rig) Run(q sdk.Request) (*sdk.Plan, *sdk.Result) {
	r.T.Helper()
	p := r.Plan(q)
	if sdk.HasErrors(p.Diagnostics) {
		r.T.Fatalf("plan of %s: %s", q.Action, Told(p.Diagnostics))
	}
	result := r.Apply(q, p)
	if sdk.HasErrors(result.Diagnostics) {
		r.T.Fatalf("%s: %s", q.Action, Told(result.Diagnostics))
	}
	return p, result
}

// Outputs decodes outputs.
func Outputs[Out any](t testing.TB, data json.RawMessage) Out {
	t.Helper()
	var out Out
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Btrfs runs the program, which is the oracle.
func (r *Rig) Btrfs(args ...string) string {
	r.T.Helper()
	return r.Exec("btrfs", args...)
}

// Exec runs a program and returns its standard output.
func (r *Rig) Exec(name string, args ...string) string {
	r.T.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.T.Fatalf("%s %q: %v: %s", name, args, err, &stderr)
	}
	return string(out)
}

// Create makes subvolumes, with btrfs itself.
func (r *Rig) Create(paths ...string) {
	r.T.Helper()
	for _, p := range paths {
		r.Btrfs("subvolume", "create", r.FS.Path(p))
	}
}

// Write makes a file and the folders that it is in.
func (r *Rig) Write(path, content string) {
	r.T.Helper()
	full := r.FS.Path(path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		r.T.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		r.T.Fatal(err)
	}
}

// UUIDOf is the UUID of the subvolume at a path from the top level.
func (r *Rig) UUIDOf(path string) string {
	r.T.Helper()
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		r.T.Fatal(err)
	}
	defer f.Close()
	all, err := f.List()
	if err != nil {
		r.T.Fatal(err)
	}
	for _, s := range all {
		if s.Path == path {
			return s.UUID.String()
		}
	}
	r.T.Fatalf("no subvolume %q", path)
	return ""
}

// Names are the resources of all changes.
func Names(changes []sdk.Change) []string {
	all := []string{}
	for _, c := range changes {
		all = append(all, string(c.Kind)+" "+c.Resource.Name)
	}
	return all
}

// Told is diagnostics as text.
func Told(all []sdk.Diagnostic) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%s [%s] %s: %s (%s)\n", d.Severity, d.Reason, d.Path, d.Summary, d.Advice)
	}
	return b.String()
}

// Show is a value as text.
func Show(v any) string {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// Same expects two values to look the same.
func Same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := Show(got), Show(want); g != w {
		t.Errorf("%s:\n%s\nexpected\n%s", what, g, w)
	}
}

// Contains expects texts in what was told.
func Contains(t testing.TB, all string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("expected %q in\n%s", w, all)
		}
	}
}
