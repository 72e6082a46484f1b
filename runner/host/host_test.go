package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// newHost makes a host of hostile plugins and gathers what they log.
func newHost(t *testing.T, names ...string) (*Host, func() string) {
	t.Helper()
	return newHostWith(t, Options{StartTimeout: time.Minute, Grace: time.Minute}, names...)
}

func newHostWith(t *testing.T, o Options, names ...string) (*Host, func() string) {
	t.Helper()
	var mu sync.Mutex
	var log strings.Builder
	o.Log = func(plugin, level, message string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(plugin + " " + level + " " + message + "\n")
	}
	for _, n := range names {
		o.Sources = append(o.Sources, source(n))
	}
	h := New(o)
	t.Cleanup(h.Close)
	return h, func() string {
		mu.Lock()
		defer mu.Unlock()
		return log.String()
	}
}

func plan(h *Host, plugin, action string, inputs string) (*sdk.Plan, error) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	return h.Plan(ctx, plugin, sdk.Request{ID: "1", Action: action, Instant: time.Unix(0, 0), Inputs: json.RawMessage(inputs)})
}

func TestEcho(t *testing.T) {
	h, _ := newHost(t, "good")
	p, err := plan(h, "good", "echo", `{"text":"a\nb"}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(p.Outputs); got != `{"text":"a\nb"}` {
		t.Errorf("outputs: %s", got)
	}
}

func TestRefusalKeepsReasonAndAdvice(t *testing.T) {
	h, _ := newHost(t, "good")
	_, err := plan(h, "good", "refuse", "")
	var refusal *protocol.DomainError
	if !errors.As(err, &refusal) || len(refusal.Diagnostics) != 1 {
		t.Fatalf("error: %v", err)
	}
	d := refusal.Diagnostics[0]
	if d.Reason != sdk.NotPermitted || d.Summary != "not for you" || d.Advice != "be root" {
		t.Errorf("diagnostic: %+v", d)
	}
	if _, err := plan(h, "good", "echo", `{"text":1}`); !errors.As(err, &refusal) || refusal.Diagnostics[0].Path != "/text" {
		t.Errorf("wrong input: %v", err)
	}
	if _, err := plan(h, "good", "echo", `{"txt":"x"}`); !errors.As(err, &refusal) || refusal.Diagnostics[0].Path != "/txt" {
		t.Errorf("unknown input: %v", err)
	}
}

func TestPluginsThatDoNotStart(t *testing.T) {
	for name, want := range map[string]string{
		"mute": "I will not talk", "dies": "no config file, giving up", "junk": "Welcome to junk",
	} {
		t.Run(name, func(t *testing.T) {
			patience := time.Minute
			if name == "mute" {
				patience = 5 * time.Second // in which it has to say something
			}
			h, _ := newHostWith(t, Options{StartTimeout: patience}, name)
			begin := time.Now()
			_, err := h.Describe(context.Background(), name)
			var broken *BrokenError
			if !errors.As(err, &broken) {
				t.Fatalf("error: %v", err)
			}
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "plugin "+name) {
				t.Errorf("error does not tell what happened (%q): %v", want, err)
			}
			if d := time.Since(begin); d > 50*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestMissingExecutable(t *testing.T) {
	h := New(Options{Sources: []Source{{Name: "gone", Path: "/nonexistent/plugin", Args: []string{"plugin"}}}})
	defer h.Close()
	_, err := h.Describe(context.Background(), "gone")
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/plugin") {
		t.Errorf("error: %v", err)
	}
	_, err = h.Describe(context.Background(), "other")
	var missing *NotFoundError
	if !errors.As(err, &missing) || missing.Known[0] != "gone" {
		t.Errorf("error: %v", err)
	}
}

func TestMisnamed(t *testing.T) {
	h, _ := newHost(t, "misnamed")
	if _, err := h.Describe(context.Background(), "misnamed"); err == nil || !strings.Contains(err.Error(), `calls itself "other"`) {
		t.Errorf("error: %v", err)
	}
}

// After each kind of trouble the next call gets a fresh process.
func TestFreshProcessAfterTrouble(t *testing.T) {
	h, _ := newHost(t, "good")
	if _, err := plan(h, "good", "echo", `{"text":"it runs"}`); err != nil {
		t.Fatal(err)
	}
	for action, patience := range map[string]time.Duration{"crash": time.Minute, "hang": 400 * time.Millisecond} {
		ctx, stop := context.WithTimeout(context.Background(), patience)
		_, err := h.Plan(ctx, "good", sdk.Request{ID: "1", Action: action})
		stop()
		var broken *BrokenError
		switch action {
		case "crash":
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), "something is nil") {
				t.Errorf("crash: %v", err)
			}
		case "hang":
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("hang: %v", err)
			}
		}
		if _, err := plan(h, "good", "echo", `{"text":"again"}`); err != nil {
			t.Errorf("after %s: %v", action, err)
		}
	}
}

func TestLogLines(t *testing.T) {
	h, log := newHost(t, "loud")
	if _, err := plan(h, "loud", "echo", `{}`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"loud warn from zerolog\n", "loud error from hclog\n", "loud info plain \uFFFD text\n", `loud info {"@message": 1}`} {
		waitFor(t, fmt.Sprintf("the log has %q", want), func() bool { return strings.Contains(log(), want) })
	}
	for line := range strings.Lines(log()) {
		if len(line) > maxLine+100 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

func TestFloodIsCut(t *testing.T) {
	h, log := newHost(t, "good")
	begin := time.Now()
	if _, err := plan(h, "good", "flood", ""); err != nil {
		t.Fatal(err)
	}
	n, seconds := strings.Count(log(), "\n"), int(time.Since(begin).Seconds())
	if n > (seconds+2)*(linesASecond+1) {
		t.Errorf("%d lines logged in %d s", n, seconds)
	}
}

func TestLargeOutput(t *testing.T) {
	h, _ := newHost(t, "good")
	p, err := plan(h, "good", "large", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Outputs) < 20<<20 {
		t.Errorf("%d bytes", len(p.Outputs))
	}
	var broken *BrokenError
	if _, err = plan(h, "good", "too_large", ""); !errors.As(err, &broken) || !strings.Contains(err.Error(), "over the limit of 64 MiB") {
		t.Errorf("error: %v", err)
	}
	if _, err := plan(h, "good", "echo", ""); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func apply(ctx context.Context, h *Host, action string, emit func(sdk.Event)) (*sdk.Result, error) {
	r := sdk.Request{ID: "7", Action: action}
	p, err := h.Plan(ctx, "good", r)
	if err != nil {
		return nil, err
	}
	return h.Apply(ctx, "good", r, p, emit)
}

func TestCancelWaitsForCleanUp(t *testing.T) {
	h, _ := newHost(t, "good")
	ctx, stop := context.WithCancel(context.Background())
	var events []sdk.Event
	result, err := apply(ctx, h, "slow", func(e sdk.Event) {
		events = append(events, e)
		stop()
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[1] != (sdk.Log{Level: "info", Message: "cleaned up"}) {
		t.Errorf("events: %+v", events)
	}
	if len(result.Diagnostics) != 1 || result.Diagnostics[0].Reason != sdk.Cancelled {
		t.Errorf("result: %+v", result)
	}
}

func TestStubbornIsKilled(t *testing.T) {
	h, _ := newHostWith(t, Options{Grace: 300 * time.Millisecond}, "good")
	ctx, stop := context.WithCancel(context.Background())
	_, err := apply(ctx, h, "stubborn", func(sdk.Event) { stop() })
	var broken *BrokenError
	if !errors.As(err, &broken) || !strings.Contains(err.Error(), "did not stop within 300ms and was killed") {
		t.Errorf("error: %v", err)
	}
	if _, err := plan(h, "good", "echo", ""); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCrashInApplyAndBreachOfProtocol(t *testing.T) {
	seen := filepath.Join(t.TempDir(), "seen")
	t.Setenv("SEEN", seen)
	h, _ := newHost(t, "good")
	made := 0
	_, err := apply(context.Background(), h, "crash_in_apply", func(e sdk.Event) {
		if _, ok := e.(sdk.Done); ok {
			made++
			_ = os.WriteFile(seen, nil, 0o600)
		}
	})
	var broken *BrokenError
	if !errors.As(err, &broken) || made != 1 {
		t.Errorf("crash: %v, %d changes seen", err, made)
	}
	if _, err = apply(context.Background(), h, "overreach", func(sdk.Event) {}); !errors.As(err, &broken) ||
		!strings.Contains(err.Error(), "change 7 of a plan of 1") {
		t.Errorf("overreach: %v", err)
	}
}

// sleepers are the processes that the plugins of the children action leave.
func sleepers(t *testing.T) []string {
	t.Helper()
	var found []string
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, e := range entries {
		data, _ := os.ReadFile(e)
		if strings.HasPrefix(string(data), "sleep\x001234567") {
			found = append(found, strings.Split(e, "/")[2])
		}
	}
	return found
}

func TestNoChildSurvivesClose(t *testing.T) {
	need.Root(t) // without, the promise is the process group only
	h, _ := newHost(t, "good")
	if _, err := plan(h, "good", "children", ""); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "both children run", func() bool { return len(sleepers(t)) == 2 })
	h.Close()
	waitFor(t, "no child runs", func() bool { return len(sleepers(t)) == 0 })
}

// TestKilledHost has a process of its own be the host, and kills it.
func TestKilledHostLeavesNothing(t *testing.T) {
	if os.Getenv("BE_HOST") == "1" {
		h, _ := newHost(t, "good")
		if _, err := plan(h, "good", "children", ""); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("pid " + strconv.Itoa(h.running["good"].pid) + "\n")
		select {}
	}
	need.Root(t) // without, the promise is the process group only
	c := exec.Command("/proc/self/exe", "-test.run", "TestKilledHostLeavesNothing")
	c.Env = append(os.Environ(), "BE_HOST=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	n, _ := out.Read(buffer)
	fields := strings.Fields(string(buffer[:n]))
	if len(fields) != 2 || fields[0] != "pid" {
		t.Fatalf("the host said %q", buffer[:n])
	}
	pid, _ := strconv.Atoi(fields[1])
	_ = c.Process.Kill()
	_ = c.Wait()
	waitFor(t, "nothing runs", func() bool { return len(sleepers(t)) == 0 && syscall.Kill(pid, 0) == syscall.ESRCH })
}

// A runner can be killed before the plugin that it has started knows whom to die with: between clone(2) and prctl(2) in the
// new process. Then nobody connects, and nobody reads the plugin's standard output.
func TestPluginWithoutRunnerEnds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	c := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"plugin:patient"}, Stdout: w, Stderr: w, SysProcAttr: &syscall.SysProcAttr{},
		Env: append(os.Environ(), protocol.Handshake.MagicCookieKey+"="+protocol.Handshake.MagicCookieValue)}
	if os.Geteuid() == 0 {
		c.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID // where a signal to itself does nothing
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = c.Process.Kill()
		t.Error("it still runs after 30 s")
	}
}

func TestSocketsAreSweptAndRemoved(t *testing.T) {
	h, _ := newHost(t, "good")
	if _, err := plan(h, "good", "echo", ""); err != nil {
		t.Fatal(err)
	}
	dir := h.sockets.path
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("socket folder: %v %v", info, err)
	}
	abandoned := filepath.Join(filepath.Dir(dir), socketPrefix+"123456789")
	if err := os.MkdirAll(abandoned, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(abandoned)
	if err := os.WriteFile(filepath.Join(abandoned, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(abandoned, old, old); err != nil {
		t.Fatal(err)
	}
	sweep(filepath.Dir(dir))
	if _, err := os.Stat(abandoned); !os.IsNotExist(err) {
		t.Errorf("the folder of a host that is gone is still there: %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the folder in use was swept: %v", err)
	}
	h.Close()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the socket folder is left: %v", err)
	}
}

func TestLongTempDir(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	t.Setenv("XDG_RUNTIME_DIR", long)
	h, _ := newHost(t, "good")
	if _, err := plan(h, "good", "echo", ""); err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("not so after a minute: %s; sleepers: %v", what, sleepers(t))
}

// The plugin's side of a deadline may end the call first; it is the runner's deadline all the same.
func TestDeadlineOfThePluginsSide(t *testing.T) {
	h, _ := newHost(t, "good")
	if _, err := plan(h, "good", "echo", `{"text":"again"}`); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	err := h.running["good"].classify(ctx, status.Error(codes.DeadlineExceeded, "stream terminated by RST_STREAM"))
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
		t.Errorf("error: %v", err)
	}
}
