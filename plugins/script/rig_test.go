package script

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

type inputs map[string]any

// sh is a command in a shell.
func sh(script string) []string { return []string{"sh", "-c", script} }

// told is what came of a step.
type told struct {
	plan   *sdk.Plan
	result *sdk.Result // nil: it was not applied
	logs   []string
	refuse string // the diagnostics of what was refused
}

func request(t *testing.T, action string, in inputs, prior ...sdk.Change) sdk.Request {
	t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return sdk.Request{Run: "20261126T101500Z-abcdef", Step: "step", Action: action, Inputs: data, Prior: prior,
		Instant: time.Date(2026, 11, 26, 10, 15, 0, 0, time.UTC)}
}

// plan plans only.
func plan(t *testing.T, action string, in inputs, prior ...sdk.Change) told {
	t.Helper()
	p, err := New().Plan(context.Background(), request(t, action, in, prior...))
	return told{plan: p, refuse: diagnostics(sdk.Diagnose(err))}
}

// do plans, and applies where there is something to apply, as the runner does.
func do(t *testing.T, ctx context.Context, in inputs) told {
	t.Helper()
	a := plan(t, "run", in)
	if a.plan == nil || len(a.plan.Changes) == 0 && len(a.plan.Unknown) == 0 {
		return a
	}
	var mu sync.Mutex
	result, err := New().Apply(ctx, request(t, "run", in), a.plan, func(e sdk.Event) {
		mu.Lock()
		defer mu.Unlock()
		if l, ok := e.(sdk.Log); ok {
			a.logs = append(a.logs, l.Level+" "+l.Message)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	a.result, a.refuse = result, diagnostics(result.Diagnostics)
	return a
}

func run(t *testing.T, in inputs) told { t.Helper(); return do(t, context.Background(), in) }

func diagnostics(all []sdk.Diagnostic) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%s %s %s: %s\n", d.Severity, d.Reason, d.Path, d.Summary)
	}
	return b.String()
}

func changes(p *sdk.Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s %s (%s)", c.Kind, c.Resource.Name, c.Summary, c.Reason)
		if c.Conditional != "" {
			b.WriteString(" " + c.Conditional)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nexpected\n%s", what, got, want)
	}
}

// listen collects what commands that only read say.
func listen(t *testing.T) *bytes.Buffer {
	var heard bytes.Buffer
	saved := logged
	logged = &heard
	t.Cleanup(func() { logged = saved })
	return &heard
}

// await waits until a file is there.
func await(t *testing.T, file string) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return
		}
	}
	t.Fatalf("%s does not come", filepath.Base(file))
}

// awaitEnd waits until the process whose number stands in a file has ended.
func awaitEnd(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(data)) + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
	}
	t.Error("a process is left")
}
