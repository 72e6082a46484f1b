package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

// service is a unit of the test, and the playbook that it runs.
type service struct {
	settings string // what is in [Service] beside its type and command
	flags    string // of coppice run
	playbook string // below version and name
}

const unitSecret = "hunter2-hunter2"

var units = map[string]service{
	// A secret from a credential, whose last line break does not count.
	"good": {"LoadCredential=webhook:/etc/webhook", "-i webhook=@%d/webhook", `
inputs:
  webhook: {type: string, secret: true}
steps:
  - id: take
    name: Tell ${{ inputs.webhook }}
    if: len(inputs.webhook) == 15
    uses: btrfs.snapshot
    with: {filesystem: /mnt/fs, sources: [root]}
  - {id: look, uses: btrfs.usage, with: {filesystem: /mnt/fs}}
`},
	"bad":  {"", "", "steps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n"},
	"typo": {"", "", "steps: [{id: look, uses: btrfs.usaeg, with: {filesystem: /mnt/fs}}]\n"},
	// Waits in its first step until it is stopped, and its clean-up takes longer than systemd would wait.
	"slow": {"TimeoutStopSec=10\nSuccessExitStatus=143", "", `
steps:
  - {id: wait, uses: btrfs.usage, with: {filesystem: /proc}, retry: {attempts: 100, delay: 1h}}
always:
  - {id: tidy, uses: btrfs.usage, with: {filesystem: /proc}, retry: {attempts: 2, delay: 20s}}
`},
	// Lives as long as it may, and is then stopped in its tracks.
	"hung": {"WatchdogSec=20", "", "steps: [{id: wait, uses: btrfs.usage, with: {filesystem: /proc}, retry: {attempts: 100, delay: 1h}}]\n"},
	// No journald to speak to: what is left is the stream.
	"mute": {"InaccessiblePaths=/run/systemd/journal/socket", "", "steps: [{id: look, uses: btrfs.usage, with: {filesystem: /proc}}]\n"},
	"once": {"Type=oneshot\nNotifyAccess=main", "", "steps: [{id: look, uses: btrfs.usage, with: {filesystem: /mnt/fs}}]\n"},
	"json": {"StandardOutput=file:/run/events.json\nStandardError=journal", "--json", "steps: [{id: look, uses: btrfs.usage, with: {filesystem: /mnt/fs}}]\n"},
}

// machine starts a systemd that has the units, a btrfs at /mnt/fs and this binary as /opt/coppice.
func machine(t *testing.T) *pid1.Machine {
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	if err := history.Create(context.Background(), fs, []string{"root", "snapshots"}); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"/etc/webhook": unitSecret + "\n"}
	for name, u := range units {
		files["/etc/"+name+".yaml"] = "version: 1\nname: " + name + "\n" + strings.TrimPrefix(u.playbook, "\n")
		files["/etc/systemd/system/"+name+".service"] = "[Service]\nType=notify\nKillMode=mixed\nExecStart=/opt/coppice run /etc/" + name + ".yaml " + u.flags + "\n" + u.settings + "\n"
		// systemd forgets a service that has ended well, unless something refers to it.
		files["/etc/systemd/system/"+name+".timer"] = "[Timer]\nOnActiveSec=1w\n"
	}
	files["/etc/systemd/system/good.timer"] = "[Timer]\nOnActiveSec=0\nAccuracySec=1us\n"
	return pid1.Start(t, pid1.Options{Files: files, Devices: fs.Loop, Binds: map[string]string{"/opt/coppice": self, "/mnt/fs": fs.Mount}})
}

// property is what systemctl show says of a service.
func property(t *testing.T, m *pid1.Machine, name, property string) string {
	t.Helper()
	return strings.TrimSpace(m.Must(t, "systemctl", "show", "--value", "-p", property, name+".service"))
}

// reach waits until a property of a service has a value.
func reach(t *testing.T, m *pid1.Machine, name, what string, want func(string) bool) string {
	t.Helper()
	var got string
	for deadline := time.Now().Add(10 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = property(t, m, name, what); want(got) {
			return got
		}
	}
	t.Fatalf("%s: %s is %q after ten minutes", name, what, got)
	return ""
}

func is(values ...string) func(string) bool {
	return func(s string) bool { return contains(values, s) }
}

// logged are the entries that a service's main process has written. (The service itself is only in those that journald
// has read before the process ended.)
func logged(t *testing.T, m *pid1.Machine, name string) []map[string]string {
	t.Helper()
	m.Must(t, "journalctl", "--sync")
	var all []map[string]string
	for line := range strings.Lines(m.Must(t, "journalctl", "-o", "json", "_PID="+property(t, m, name, "ExecMainPID"))) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		entry := map[string]string{}
		for k, v := range e {
			entry[k] = fmt.Sprint(v)
		}
		all = append(all, entry)
	}
	return all
}

// short is the part of an entry that the tests look at.
func short(e map[string]string) string {
	message, _, _ := strings.Cut(e["MESSAGE"], ",")
	words := []string{e["_TRANSPORT"], e["PRIORITY"]}
	for _, f := range []string{"PLAYBOOK", "STEP", "PLUGIN", "STATUS"} {
		words = append(words, orDash(e["COPPICE_"+f]))
	}
	run := e["COPPICE_RUN"]
	if run != "" {
		message = strings.ReplaceAll(message, run, "ID")
	}
	for id, name := range map[string]string{report.RunStartedID: "STARTED", report.RunFinishedID: "FINISHED", report.StepFailedID: "FAILED"} {
		if e["MESSAGE_ID"] == id {
			words = append(words, name)
		}
	}
	return strings.Join(append(words, message), " ")
}

func expectLog(t *testing.T, m *pid1.Machine, name string, want ...string) {
	t.Helper()
	var got []string
	for _, e := range logged(t, m, name) {
		got = append(got, short(e))
	}
	if len(got) != len(want) {
		t.Errorf("%s has logged\n  %s\nwant\n  %s", name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		return
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s has logged\n  %s\nwant\n  %s", name, got[i], want[i])
		}
	}
}

// TestUnderSystemd runs playbooks as services of a real systemd.
func TestUnderSystemd(t *testing.T) {
	t.Parallel() // it mostly waits
	m := machine(t)
	for name := range units {
		m.Must(t, "systemctl", "start", name+".timer")
	}
	m.Must(t, "systemctl", "start", "--no-block", "bad.service", "typo.service", "mute.service", "json.service", "once.service")
	m.Must(t, "systemctl", "start", "slow.service", "hung.service") // both get ready

	t.Run("stop", func(t *testing.T) {
		if got := property(t, m, "slow", "SubState"); got != "running" {
			t.Errorf("sub-state %s", got)
		}
		reach(t, m, "slow", "StatusText", func(s string) bool {
			return strings.HasPrefix(s, "step wait (1 of 1): attempt 2 of 100 follows in 1h00m: cannot open btrfs filesystem")
		})
		// The plugin must not speak for its runner.
		out, _ := m.Run("sh", "-c", `for p in $(systemctl show --value -p MainPID slow.service) $(pgrep -f "plugin serve btrfs"); do `+
			`cat /proc/$p/environ 2>/dev/null | tr '\0' '\n' | grep -c -e ^NOTIFY_SOCKET= -e ^JOURNAL_STREAM= ; done`) // one may be gone by now
		if lines := strings.Fields(out); len(lines) < 2 || lines[0] != "2" || strings.Count(out, "0\n") != len(lines)-1 {
			t.Errorf("NOTIFY_SOCKET and JOURNAL_STREAM: the runner and its plugins have\n%s", out)
		}
		m.Must(t, "systemctl", "stop", "--no-block", "slow.service")
		reach(t, m, "slow", "StatusText", func(s string) bool {
			return strings.HasPrefix(s, "stopping after SIGTERM: step tidy (always): attempt 2 of 2 follows in 20s")
		})
	})

	t.Run("good", func(t *testing.T) {
		reach(t, m, "good", "ExecMainExitTimestampMonotonic", func(s string) bool { return s != "0" })
		reach(t, m, "good", "SubState", is("dead"))
		for what, want := range map[string]string{"Result": "success", "ExecMainStatus": "0", "StatusText": "succeeded: 1 created"} {
			if got := property(t, m, "good", what); got != want {
				t.Errorf("%s is %q", what, got)
			}
		}
		expectLog(t, m, "good",
			"journal 5 good - - - STARTED run ID: good: started",
			"journal 6 good take btrfs - step take: started: Tell •••• (btrfs.snapshot)",
			"journal 5 good take btrfs - step take: created snapshots/root/",
			"journal 6 good take btrfs changed step take: changed: 1 created",
			"journal 6 good look btrfs ok step look: ok: ",
			"journal 5 good - - succeeded FINISHED run ID: good: succeeded: 1 created")
		if out := m.Must(t, "journalctl", "-o", "export"); strings.Contains(out, unitSecret) || !strings.Contains(out, "COPPICE_RUN=") {
			t.Error("a secret is in the journal")
		}
	})

	t.Run("bad", func(t *testing.T) {
		reach(t, m, "bad", "SubState", is("failed"))
		if got := property(t, m, "bad", "StatusText"); !strings.HasPrefix(got, "failed: step look: cannot open btrfs filesystem") {
			t.Errorf("status %q", got)
		}
		if got := property(t, m, "bad", "Result"); got != "exit-code" {
			t.Errorf("result %s", got)
		}
		expectLog(t, m, "bad",
			"journal 5 bad - - - STARTED run ID: bad: started",
			"journal 3 bad look btrfs - step look: error: cannot open",
			"journal 3 bad look btrfs failed FAILED step look: failed: cannot open",
			"journal 3 bad - - failed FINISHED run ID: bad: failed: step look: cannot open")
	})

	t.Run("typo", func(t *testing.T) {
		reach(t, m, "typo", "SubState", is("failed"))
		if got := property(t, m, "typo", "ExecMainStatus"); got != strconv.Itoa(exitInvalid) {
			t.Errorf("exit code %s", got)
		}
		all := logged(t, m, "typo")
		for _, e := range all {
			if e["PRIORITY"] != "3" {
				t.Errorf("logged %s", short(e))
			}
		}
		if len(all) == 0 || !strings.Contains(all[0]["MESSAGE"], "usaeg") {
			t.Errorf("logged %v", all)
		}
	})

	t.Run("mute", func(t *testing.T) {
		reach(t, m, "mute", "SubState", is("failed"))
		if got := property(t, m, "mute", "ExecMainStatus"); got != strconv.Itoa(exitFailed) {
			t.Errorf("exit code %s", got)
		}
		all := logged(t, m, "mute")
		if len(all) != 4 || !strings.HasPrefix(short(all[0]), "stdout 5 - - - - run 2") || !strings.HasPrefix(short(all[2]), "stdout 3 - - - - step look: failed") {
			t.Errorf("logged %v", all)
		}
	})

	t.Run("json", func(t *testing.T) {
		reach(t, m, "json", "ExecMainExitTimestampMonotonic", func(s string) bool { return s != "0" })
		reach(t, m, "json", "SubState", is("dead"))
		expectLog(t, m, "json",
			"journal 5 json - - - STARTED run ID: json: started",
			"journal 6 json look btrfs ok step look: ok",
			"journal 5 json - - succeeded FINISHED run ID: json: succeeded: nothing changed")
		events := m.Must(t, "cat", "/run/events.json")
		if !strings.HasPrefix(events, `{"format":"coppice.events","version":1,"seq":1,`) || strings.Count(events, "run_finished") != 1 {
			t.Errorf("events\n%s", events)
		}
	})

	t.Run("once", func(t *testing.T) {
		reach(t, m, "once", "StatusText", is("succeeded: nothing changed"))
		reach(t, m, "once", "SubState", is("dead"))
	})

	t.Run("watchdog", func(t *testing.T) {
		first := property(t, m, "hung", "WatchdogTimestampMonotonic")
		reach(t, m, "hung", "WatchdogTimestampMonotonic", func(s string) bool { return s != first && s != "0" })
		m.Must(t, "systemctl", "kill", "--kill-whom=main", "--signal=STOP", "hung.service")
		reach(t, m, "hung", "Result", is("watchdog"))
	})

	t.Run("stopped", func(t *testing.T) {
		reach(t, m, "slow", "SubState", is("dead", "failed"))
		for what, want := range map[string]string{"Result": "success", "ExecMainStatus": "143", "StatusText": "cancelled: stopped on request: nothing changed"} {
			if got := property(t, m, "slow", what); got != want {
				t.Errorf("%s is %q", what, got)
			}
		}
		all := logged(t, m, "slow")
		if last := short(all[len(all)-1]); !strings.HasPrefix(last, "journal 4 slow - - cancelled FINISHED run ID: slow: cancelled") {
			t.Errorf("logged last: %s", last)
		}
	})
}
