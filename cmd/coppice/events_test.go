package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/runner/engine"
)

// A run under test, whose events are read as they come.
type watched struct {
	t       *testing.T
	command *exec.Cmd
	lines   *bufio.Reader
	all     bytes.Buffer
}

func watchRun(t *testing.T, env []string, steps string) *watched {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte("version: 1\nname: p\n"+steps), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, command: &exec.Cmd{Path: raced, Args: []string{"coppice", "run", file, "--json"}, Env: append(os.Environ(), env...), Stderr: os.Stderr}}
	out, err := w.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.lines = bufio.NewReader(out)
	if err := w.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.command.Process.Kill() }) // it has mostly ended
	return w
}

// until reads on to an event that has all words in it, and reports whether there was one.
func (w *watched) until(words ...string) bool {
	for {
		line, err := w.lines.ReadString('\n')
		w.all.WriteString(line)
		if err != nil {
			return false
		}
		found := true
		for _, word := range words {
			found = found && strings.Contains(line, word)
		}
		if found {
			return true
		}
	}
}

func (w *watched) signal(s syscall.Signal) { _ = w.command.Process.Signal(s) }

// end reads what is left, and returns the summary and the exit code.
func (w *watched) end() (engine.RunFinished, int) {
	w.t.Helper()
	w.until("nothing has this in it")
	err := w.command.Wait()
	if w.command.ProcessState == nil {
		w.t.Fatal(err)
	}
	if err := checkJSON(w.all.Bytes()); err != nil {
		w.t.Error(err)
	}
	var last engine.RunFinished
	lines := strings.Split(strings.TrimSpace(w.all.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		w.t.Fatal(err)
	}
	return last, w.command.ProcessState.ExitCode()
}

// children are the processes that a process has started.
func children(pid int) []int {
	var all []int
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, task := range tasks {
		data, _ := os.ReadFile(task) // it may have ended
		for _, child := range strings.Fields(string(data)) {
			if n, err := strconv.Atoi(child); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

const (
	waits   = "  - {id: wait, uses: btrfs.usage, with: {filesystem: /proc}, retry: {attempts: 100, delay: 1h}}\n"
	lingers = "always:\n  - {id: linger, uses: btrfs.usage, with: {filesystem: /proc}, retry: {attempts: 100, delay: 1h}}\n"
)

// TestEventsEndInASummary: however a run ends, its events count up without a gap and end in a summary that says how.
func TestEventsEndInASummary(t *testing.T) {
	check := func(w *watched, status engine.RunStatus, reason string, code int) {
		t.Helper()
		last, got := w.end()
		if last.Status != status || !strings.Contains(last.Reason, reason) || got != code {
			t.Errorf("ended as %s: %s, exit code %d; want %s: %s, %d", last.Status, last.Reason, got, status, reason, code)
		}
	}
	failed := exitFailed
	if os.Geteuid() != 0 {
		failed = exitNotPermitted
	}
	check(watchRun(t, nil, "steps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n"), engine.RunFailed, "step look: cannot open", failed)
	check(watchRun(t, []string{"COPPICE_STATE_DIR=/proc/none:/proc/none"}, "steps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n"),
		engine.RunFailed, "step look: cannot open", failed)
	check(watchRun(t, nil, "timeout: 1s\nsteps:\n"+waits), engine.RunTimedOut, "time was up", exitTimedOut)

	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		w := watchRun(t, nil, "steps:\n"+waits)
		w.until("step_retrying")
		w.signal(s)
		check(w, engine.RunCancelled, "stopped on request", 128+int(s))
	}

	// The third signal ends all at once.
	w := watchRun(t, nil, "steps:\n"+waits+lingers)
	w.until("step_retrying")
	w.signal(syscall.SIGTERM)
	w.until("step_retrying", "linger")
	w.signal(syscall.SIGTERM)
	w.signal(syscall.SIGINT)
	w.signal(syscall.SIGTERM)
	check(w, engine.RunCancelled, "ended at once", 128+int(syscall.SIGTERM))
}

// TestEventsOfABrokenPlugin kills the plugin of a running step again and again.
func TestEventsOfABrokenPlugin(t *testing.T) {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	w := watchRun(t, nil, "steps:\n  - id: look\n    for_each: ["+strings.Repeat("1, ", 999)+"1]\n    uses: btrfs.usage\n    with: {filesystem: "+fs.Mount+"}\n")
	w.until("step_finished")
	stop, killed := make(chan struct{}), make(chan int)
	go func() {
		kills := 0
		for {
			for _, pid := range children(w.command.Process.Pid) {
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					kills++
				}
			}
			select {
			case <-stop:
				killed <- kills
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	w.until("nothing has this in it") // the run ends: even a plugin that is started anew does not get far
	close(stop)
	kills := <-killed
	last, code := w.end()
	if kills == 0 || last.Status != engine.RunFailed || last.Steps[engine.Errored] == 0 || code != exitFailed {
		t.Errorf("%d plugins killed: ended as %s: %s, %v, exit code %d", kills, last.Status, last.Reason, last.Steps, code)
	}
}
