package sysctl

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

type inputs map[string]any

type values map[string]any

// rig is the plugin, in namespaces of the test's own: what it sets of the network, the names and the messages belongs to
// this test alone.
type rig struct {
	t      *testing.T
	host   host
	plugin *sdk.Plugin
}

// newRig moves the test's goroutine into namespaces of its own. The thread ends with the test.
func newRig(t *testing.T) *rig {
	t.Helper()
	need.Root(t)
	for _, program := range []string{"sysctl", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			need.Missing(t, "sysctl", "needs the program "+program)
		}
	}
	runtime.LockOSThread() // and never unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNS); err != nil {
		need.Missing(t, "root", "cannot make namespaces: "+err.Error())
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, host: host{proc: "/proc/sys", folders: folders(t)}}
	r.plugin = newPlugin(r.host)
	return r
}

func folders(t *testing.T) []string {
	dir := t.TempDir()
	var all []string
	for _, f := range []string{"etc", "run", "lib"} {
		f = filepath.Join(dir, f, "sysctl.d")
		if err := os.MkdirAll(f, 0o755); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

func (r *rig) request(action string, in inputs, prior ...sdk.Change) sdk.Request {
	r.t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		r.t.Fatal(err)
	}
	return sdk.Request{Run: "run", Step: action, Action: action, Inputs: data, Prior: prior, Instant: time.Now()}
}

func (r *rig) plan(q sdk.Request) *sdk.Plan {
	r.t.Helper()
	p, err := r.plugin.Plan(context.Background(), q)
	if err != nil {
		r.t.Fatalf("cannot plan %s: %v", q.Action, err)
	}
	return p
}

// refuses expects Plan to fail with these texts.
func (r *rig) refuses(in inputs, want ...string) {
	r.t.Helper()
	p, err := r.plugin.Plan(context.Background(), r.request("set", in))
	if err == nil {
		r.t.Errorf("%v is planned: %s", in, told(p))
		return
	}
	contains(r.t, diagnostics(sdk.Diagnose(err)), want...)
}

func (r *rig) apply(q sdk.Request, p *sdk.Plan) *sdk.Result {
	r.t.Helper()
	q.Prior = nil
	result, err := r.plugin.Apply(context.Background(), q, p, func(sdk.Event) {})
	if err != nil {
		r.t.Fatalf("cannot apply %s: %v", q.Action, err)
	}
	return result
}

// converges plans and applies, expects every planned change to be made, and nothing to be left to do for a second run, or for
// the same plan once more.
func (r *rig) converges(action string, in inputs) (*sdk.Plan, *sdk.Result) {
	r.t.Helper()
	q := r.request(action, in)
	p := r.plan(q)
	result := r.apply(q, p)
	if sdk.HasErrors(result.Diagnostics) {
		r.t.Fatalf("%s: %s", action, diagnostics(result.Diagnostics))
	}
	if len(result.Done) != len(p.Changes) {
		r.t.Errorf("%d of %d changes made:\n%s", len(result.Done), len(p.Changes), told(p))
	}
	if again := r.apply(q, p); len(again.Done) > 0 || sdk.HasErrors(again.Diagnostics) {
		r.t.Errorf("the same plan changes something once more: %v %s", again.Done, diagnostics(again.Diagnostics))
	}
	if p := r.plan(q); len(p.Changes) > 0 {
		r.t.Errorf("a second run has changes:\n%s", told(p))
	}
	return p, result
}

// sysctl is what procps prints of a key: the oracle.
func (r *rig) sysctl(key string) string {
	r.t.Helper()
	return strings.Join(strings.Fields(r.exec("sysctl", "-n", key)), " ")
}

func (r *rig) exec(name string, args ...string) string {
	r.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// write makes a file of sysctl.d in the folder with this number.
func (r *rig) write(folder int, name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.host.folders[folder], name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func told(p *sdk.Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s: %s → %s # %s\n", c.Kind, c.Resource.Name, c.Before, c.After, c.Reason)
	}
	for _, k := range p.Kept {
		fmt.Fprintf(&b, "keep %s # %s\n", k.Resource.Name, k.Reason)
	}
	return b.String() + diagnostics(p.Diagnostics)
}

func diagnostics(all []sdk.Diagnostic) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%s [%s] %s: %s (%s)\n", d.Severity, d.Reason, d.Path, d.Summary, d.Advice)
	}
	return b.String()
}

func contains(t *testing.T, all string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("expected %q in\n%s", w, all)
		}
	}
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nexpected\n%s", what, got, want)
	}
}
