package main

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/sdk/plugintest/pid1"
)

// quiesceUnits are a database, what needs it, and runs of quiesced-snapshot as services. The database writes its state when it is
// stopped, as databases do.
var quiesceUnits = map[string]string{
	"db.service": "[Service]\nExecStartPre=/bin/sh -c '[ ! -e /run/broken ] || { echo the disk is on fire; sleep 1; exit 1; }'\n" +
		"ExecStart=/bin/sleep infinity\nExecStopPost=/bin/sh -c 'date >/mnt/fs/data/clean'\nExecStartPost=/bin/rm -f /mnt/fs/data/clean\n",
	"app.service":  "[Unit]\nRequires=db.service\nAfter=db.service\n[Service]\nExecStart=/bin/sleep infinity\n",
	"idle.service": "[Service]\nExecStart=/bin/sleep infinity\n",
	"good.service": "[Service]\nType=notify\nKillMode=mixed\nExecStart=/opt/coppice run quiesced-snapshot -i units=db,idle -i filesystem=/mnt/fs -i subvolumes=data\n",
	"bad.service":  "[Service]\nType=notify\nKillMode=mixed\nExecStart=/opt/coppice run quiesced-snapshot -i units=db,idle -i filesystem=/mnt/fs -i subvolumes=none\n",
	"slow.service": "[Service]\nExecStartPre=/bin/rm -f /run/go\nExecStart=/bin/sh -c 'trap \"\" TERM; while [ ! -e /run/go ]; do sleep 0.1; done'\nTimeoutStopSec=1h\n",
	"stop.service": "[Service]\nType=notify\nKillMode=mixed\nExecStart=/opt/coppice run quiesced-snapshot -i units=db,slow -i filesystem=/mnt/fs -i subvolumes=data\n",
}

// quiescePlan is the golden plan: whoever changes it says why. UPDATE_SCRIPTS=1 writes it anew.
const quiescePlan = "testdata/quiesced-snapshot.plan"

// TestQuiescedSnapshot runs the shipped playbook from services of a real systemd: when all goes well, when the snapshot fails, when the
// run is stopped, and when the database does not start again.
func TestQuiescedSnapshot(t *testing.T) {
	t.Parallel()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	if err := history.Create(context.Background(), fs, []string{"data", "snapshots"}); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, text := range quiesceUnits {
		files["/etc/systemd/system/"+name] = text
	}
	for _, name := range []string{"good", "bad", "stop"} { // or systemd would forget how they have ended
		files["/etc/systemd/system/"+name+".timer"] = "[Timer]\nOnActiveSec=1w\n"
	}
	m := pid1.Start(t, pid1.Options{Files: files, Devices: fs.Loop, Binds: map[string]string{"/opt/coppice": self, "/mnt/fs": fs.Mount}})
	m.Must(t, "systemctl", "start", "basic.target", "good.timer", "bad.timer", "stop.timer", "app.service", "slow.service")
	running := func(t *testing.T, want string) {
		t.Helper()
		out, _ := m.Run("systemctl", "is-active", "db", "app", "idle")
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("db, app and idle are %s", got)
		}
	}
	snapshots := func() int {
		out, _ := m.Run("sh", "-c", "ls -d /mnt/fs/snapshots/data/*/clean 2>/dev/null")
		return strings.Count(out, "\n")
	}
	ran := func(t *testing.T, name string, status string) []map[string]string {
		t.Helper()
		before := property(t, m, name, "ExecMainExitTimestampMonotonic")
		m.Must(t, "systemctl", "start", "--no-block", name+".service")
		reach(t, m, name, "ExecMainExitTimestampMonotonic", func(s string) bool { return s != "0" && s != "" && s != before })
		reach(t, m, name, "SubState", is("dead", "failed"))
		if got := property(t, m, name, "ExecMainStatus"); got != status {
			t.Errorf("exit code %s", got)
		}
		return logged(t, m, name)
	}

	t.Run("plan", func(t *testing.T) {
		out := m.Must(t, "/opt/coppice", "plan", "quiesced-snapshot", "-i", "units=db,idle", "-i", "filesystem=/mnt/fs", "-i", "subvolumes=data")
		out = regexp.MustCompile(`as of [0-9: -]+ UTC`).ReplaceAllString(out, "as of NOW")
		out = regexp.MustCompile(`\d{8}T\d{6}\.\d{3}Z`).ReplaceAllString(out, "STAMP")
		if os.Getenv("UPDATE_SCRIPTS") != "" {
			if err := os.WriteFile(quiescePlan, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(quiescePlan); err != nil || out != string(want) {
			t.Errorf("%v\n%s", err, out)
		}
		running(t, "active active inactive")
	})

	t.Run("good", func(t *testing.T) {
		ran(t, "good", "0")
		running(t, "active active inactive")
		if n := snapshots(); n != 1 {
			t.Errorf("%d snapshots of a database at rest", n)
		}
	})

	t.Run("bad", func(t *testing.T) {
		all := ran(t, "bad", "1")
		running(t, "active active inactive")
		if last := all[len(all)-1]["MESSAGE"]; !strings.Contains(last, "none") {
			t.Errorf("logged last: %s", last)
		}
	})

	t.Run("stopped", func(t *testing.T) {
		m.Must(t, "systemctl", "start", "stop.service")
		reach(t, m, "slow", "ActiveState", is("deactivating"))
		m.Must(t, "systemctl", "stop", "--no-block", "stop.service")
		reach(t, m, "db", "ActiveState", is("active")) // in "always"
		m.Must(t, "touch", "/run/go")
		reach(t, m, "stop", "SubState", is("dead", "failed"))
		if got := property(t, m, "stop", "ExecMainStatus"); got != "143" {
			t.Errorf("exit code %s", got)
		}
		running(t, "active active inactive")
		if got := property(t, m, "slow", "ActiveState"); got != "active" {
			t.Errorf("slow is %s", got)
		}
	})

	t.Run("not there again", func(t *testing.T) {
		m.Must(t, "touch", "/run/broken")
		all := ran(t, "good", "1")
		running(t, "failed inactive inactive")
		var told []string
		for _, e := range all {
			told = append(told, e["MESSAGE"])
		}
		text := strings.Join(told, "\n")
		for _, want := range []string{"db.service: the disk is on fire", "cannot start db.service: one of its commands has failed", "quiesced-snapshot: failed"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	})
}
