package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// maintained is a filesystem that monthly-maintenance is run on each night of a
// virtual time: what is due is planned for that night; what is to be done is done
// now, and its record is dated to that night.
type maintained struct {
	t  *testing.T
	fs *loopfs.Filesystem
}

// night returns the steps that did something, and the exit code.
func (m maintained) night(at time.Time) (did []string, code int) {
	m.t.Helper()
	args := []string{"monthly-maintenance", "-i", "filesystem=" + m.fs.Mount, "-i", "balance_goal=0.3"}
	before := m.low()
	planned, code := m.plan(append([]string{"--at", at.Format(time.RFC3339), "-i", "balance_below=0.2"}, args...))
	if balance := slices.Contains(planned, "balance"); balance != before && balance != m.low() {
		m.t.Errorf("%s: a balance is planned: %v; little is unallocated: %v", at.Format(time.DateOnly), balance, before)
	}
	if len(planned) == 0 {
		return nil, code
	}
	// Today everything is due: what is not tonight is held back.
	for step, holdBack := range map[string]string{"scrub": "scrub_every=10000d", "trim": "trim_every=10000d", "balance": "balance_below=0"} {
		if !slices.Contains(planned, step) {
			args = append(args, "-i", holdBack)
		} else if step == "balance" {
			args = append(args, "-i", "balance_below=0.2")
		}
	}
	did, code = m.run(args)
	if !slices.Equal(did, planned) {
		m.t.Errorf("%s: planned %v, done %v", at.Format(time.DateOnly), planned, did)
	}
	m.date(at)
	return did, code
}

// low reports whether less than a fifth is unallocated, by what btrfs itself says.
func (m maintained) low() bool {
	m.t.Helper()
	out, err := exec.Command("btrfs", "filesystem", "usage", "-b", m.fs.Mount).Output()
	if err != nil {
		m.t.Fatal(err)
	}
	number := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		number[name], _ = strconv.ParseFloat(strings.TrimSpace(value), 64)
	}
	if number["Device size"] == 0 {
		m.t.Fatalf("%s", out)
	}
	return number["Device unallocated"] < 0.2*number["Device size"]
}

// plan returns the steps that would change something.
func (m maintained) plan(args []string) (changing []string, code int) {
	m.t.Helper()
	code, out, errs := coppice(m.t, nil, append([]string{"plan", "--json"}, args...)...)
	var doc struct {
		Steps []planned `json:"steps"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		m.t.Fatalf("%v: %s%s", err, out, errs)
	}
	for _, s := range doc.Steps {
		if len(s.Planned.Changes) > 0 {
			changing = append(changing, s.Step.ID)
		}
	}
	return changing, code
}

// run returns the steps that made changes.
func (m maintained) run(args []string) (did []string, code int) {
	m.t.Helper()
	code, out, _ := coppice(m.t, nil, append([]string{"run", "--json"}, args...)...)
	for line := range strings.Lines(out) {
		var e struct {
			Type string `json:"type"`
			planned
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			m.t.Fatal(err)
		}
		if e.Type == "step_finished" && len(e.Made) > 0 {
			did = append(did, e.Step.ID)
		}
	}
	return did, code
}

// date sets the time of what has just been recorded.
func (m maintained) date(at time.Time) {
	m.t.Helper()
	for _, name := range []string{"scrub.json", "trim.json", "balance.json"} {
		path := m.fs.Path(".coppice/upkeep", name)
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			m.t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(data, &record); err != nil {
			m.t.Fatal(err)
		}
		last, _ := record["last"].(map[string]any)
		finished, err := time.Parse(time.RFC3339, fmt.Sprint(last["finished"]))
		if err != nil {
			m.t.Fatal(err)
		}
		if time.Since(finished).Abs() < time.Hour {
			last["finished"] = at.Format(time.RFC3339)
			data, _ = json.Marshal(record)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

// TestMaintenanceOfAYear runs the playbook each night of a year.
func TestMaintenanceOfAYear(t *testing.T) {
	t.Parallel()
	m := maintained{t, loopfs.ForTest(t, loopfs.Options{Size: 1 << 30, MkfsArgs: []string{"-d", "single"}})}
	content := strings.Repeat("\x00", 8192) + "a marker that stands nowhere else"
	if err := os.WriteFile(m.fs.Path("file"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	// Long ago, so that the records of the virtual time lie in the past of the real one.
	first := time.Now().UTC().Truncate(24*time.Hour).AddDate(-2, 0, 0).Add(150 * time.Minute)
	const nights = 365
	want := map[string][]int{}
	for day := 0; day < nights; day += 30 {
		want["scrub"] = append(want["scrub"], day)
	}
	for day := 0; day < nights; day += 7 {
		if day != 42 { // switched off
			want["trim"] = append(want["trim"], day)
		}
	}
	got := map[string][]int{}
	failed := []int{}
	for day := range nights {
		switch day {
		case 40, 41, 42, 43, 44, 45, 46, 47, 48: // switched off
			continue
		case 70:
			m.crowd()
		case 100:
			m.damage("a marker that stands nowhere else")
			if _, err := os.ReadFile(m.fs.Path("file")); err == nil {
				t.Fatal("the damage is not seen")
			}
		case 103:
			out := must(t, "run", "monthly-maintenance", "-i", "filesystem="+m.fs.Mount, "-i", "acknowledge_errors=true", "-i", "scrub_every=10000d", "-i", "trim_every=10000d", "-i", "balance_below=0")
			if strings.Contains(out, "step scrub: changed") || strings.Contains(out, "step trim: changed") {
				t.Errorf("what was held back was done:\n%s", out)
			}
			m.date(first.AddDate(0, 0, day))
			if err := os.Remove(m.fs.Path("file")); err != nil { // the next scrub would find it
				t.Fatal(err)
			}
			digestOf(t, m.fs) // until that is on the disk, a scrub reads the file
		}
		did, code := m.night(first.AddDate(0, 0, day))
		for _, step := range did {
			got[step] = append(got[step], day)
		}
		if code != 0 {
			failed = append(failed, day)
		}
	}
	for step, days := range want {
		if !slices.Equal(got[step], days) {
			t.Errorf("%s on the nights %v, expected %v", step, got[step], days)
		}
	}
	// Which chunks the kernel allocates in a year is its own affair, and how many it leaves behind.
	if !slices.Contains(got["balance"], 70) {
		t.Errorf("balance on the nights %v, and not on the one after nearly all was allocated", got["balance"])
	}
	// The errors are alarmed each night until somebody knows of them.
	if !slices.Equal(failed, []int{100, 101, 102}) {
		t.Errorf("failed on the nights %v", failed)
	}
}

// crowd allocates nearly everything, with little in it.
func (m maintained) crowd() {
	m.t.Helper()
	for i := range 38 {
		file, err := os.Create(m.fs.Path(fmt.Sprint("crowd", i)))
		if err != nil {
			m.t.Fatal(err)
		}
		err = unix.Fallocate(int(file.Fd()), 0, 0, 20<<20)
		file.Close()
		if err != nil {
			m.t.Fatal(err)
		}
	}
	digestOf(m.t, m.fs) // syncs
	for i := range 38 {
		if i%6 != 0 {
			_ = os.Remove(m.fs.Path(fmt.Sprint("crowd", i)))
		}
	}
	digestOf(m.t, m.fs)
}

func (m maintained) damage(marker string) {
	m.t.Helper()
	if err := m.fs.Unmount(); err != nil {
		m.t.Fatal(err)
	}
	if n, err := m.fs.Damage(0, []byte(marker), 0); n == 0 || err != nil {
		m.t.Fatalf("%d places damaged, %v", n, err)
	}
	if err := m.fs.MountAgain(""); err != nil {
		m.t.Fatal(err)
	}
}

// SIGTERM in the middle of a scrub: the run ends with 143, snapshots could be taken
// meanwhile, and the next run goes on where it was.
func TestStoppedScrubGoesOn(t *testing.T) {
	t.Parallel()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 512 << 20})
	if err := history.Create(context.Background(), fs, append(critical, "snapshots")); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 96<<20)
	rand.Read(data)
	if err := os.WriteFile(fs.Path("file"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	digestOf(t, fs) // syncs
	c := &exec.Cmd{Path: plain, Args: []string{"coppice", "run", "--json", "monthly-maintenance", "-i", "filesystem=" + fs.Mount, "-i", "scrub_speed=2MiB"}}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for scanner, asked := bufio.NewScanner(out), false; scanner.Scan(); {
		if asked || !strings.Contains(scanner.Text(), `"step_progress"`) {
			continue
		}
		asked = true
		if code, _, errs := coppice(t, nil, "run", "monthly-maintenance", "-i", "filesystem="+fs.Mount); code != 75 || !strings.Contains(errs, "in use by run") {
			t.Errorf("a second scrub: exit code %d: %s", code, errs)
		}
		must(t, "run", "snapshot-rotation", "-i", "filesystem="+fs.Mount)
		_ = c.Process.Signal(syscall.SIGTERM)
	}
	err = c.Wait()
	if c.ProcessState.ExitCode() != 143 {
		t.Errorf("ended with %v", err)
	}
	status, _ := exec.Command("btrfs", "scrub", "status", fs.Mount).Output()
	if strings.Contains(string(status), "running") {
		t.Errorf("a scrub is left: %s", status)
	}
	printed := must(t, "plan", "monthly-maintenance", "-i", "filesystem="+fs.Mount)
	if !strings.Contains(printed, "goes on with the one begun ") {
		t.Errorf("%s", printed)
	}
	if printed = must(t, "run", "monthly-maintenance", "-i", "filesystem="+fs.Mount); !strings.Contains(printed, "step scrub: changed: 1 run") {
		t.Errorf("%s", printed)
	}
}
