package notify

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
)

func fileOf(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	return filepath.Join(dir, all[0].Name())
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A success is remembered through the failures that follow it.
func TestLastSuccess(t *testing.T) {
	dir := t.TempDir()
	clock := time.Unix(1_700_000_000, 0)
	r := newRig(t)
	r.plugin = plugin(host{now: func() time.Time { return clock }})
	in := inputs{"folder": dir, "labels": inputs{"playbook": "x"}, "values": inputs{}}
	run := func(after time.Duration, failed bool) string {
		clock = clock.Add(after)
		r.instant = clock.UTC()
		in["failed"] = failed
		p := r.plan("metrics", in)
		clock = clock.Add(90 * time.Second)
		result, err := r.apply(context.Background(), "metrics", in, p)
		if err != nil || len(result.Diagnostics) > 0 || len(result.Done) != 1 {
			t.Fatalf("%v %s", err, r.said.String())
		}
		// The same plan once more, later: this run has told already.
		said := read(t, fileOf(t, dir))
		clock = clock.Add(time.Second)
		if result, err = r.apply(context.Background(), "metrics", in, p); err != nil || len(result.Done) > 0 || read(t, fileOf(t, dir)) != said {
			t.Fatalf("applied twice: %v %s", err, r.said.String())
		}
		return said
	}
	if said := run(0, true); strings.Contains(said, runSuccess) {
		t.Errorf("a success that never was:\n%s", said)
	}
	said := run(time.Hour, false)
	success := `coppice_run_success_timestamp_seconds{playbook="x"} 1.700003781e+09`
	for _, want := range []string{success, `coppice_run_start_timestamp_seconds{playbook="x"} 1.700003691e+09`, `coppice_run_duration_seconds{playbook="x"} 90`} {
		if !strings.Contains(said, want+"\n") {
			t.Errorf("expected %q in\n%s", want, said)
		}
	}
	if said := run(time.Hour, true); !strings.Contains(said, success+"\n") || !strings.Contains(said, `coppice_run_failed{playbook="x"} 1`) {
		t.Errorf("the success is forgotten:\n%s", said)
	}
	info, err := os.Stat(fileOf(t, dir))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// Values alone change nothing where they are the same.
func TestSameValues(t *testing.T) {
	dir, r := t.TempDir(), newRig(t)
	in := inputs{"folder": dir, "values": inputs{"a": 1.5}}
	if result := r.run("metrics", in); len(result.Done) != 1 {
		t.Fatal(r.said.String())
	}
	if p := r.plan("metrics", in); len(p.Changes) != 0 || len(p.Kept) != 1 {
		t.Errorf("%+v", p)
	}
	in["values"] = inputs{"a": 2}
	if p := r.plan("metrics", in); len(p.Changes) != 1 || p.Changes[0].Kind != sdk.Update || string(p.Changes[0].Before) != `{"coppice_a":1.5}` {
		t.Errorf("%+v", p)
	}
}

func TestWrongMetrics(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		in   inputs
		want string
	}{
		{inputs{"values": inputs{"free-ratio": 1}}, "no name of a value"}, {inputs{"values": inputs{"Free": 1}}, "no name of a value"},
		{inputs{"values": inputs{"run_failed": 1}}, "those of coppice"}, {inputs{"labels": inputs{"a b": "c"}}, "no name of a label"},
		{inputs{"values": inputs{"a\nb 1\n#": 1}}, "no name of a value"},
	} {
		c.in["folder"] = t.TempDir()
		r.refuses("metrics", c.in, c.want)
	}
}

// Where there is no folder, or it goes away: a warning, unless it was required.
func TestMetricsCannotBeWritten(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{filepath.Join(dir, "none"): "there is no folder", file: "is no folder"} {
		p := r.plan("metrics", inputs{"folder": folder, "failed": false})
		if len(p.Changes) > 0 || len(p.Diagnostics) != 1 || p.Diagnostics[0].Severity != sdk.SeverityWarning || !strings.Contains(p.Diagnostics[0].Summary, want) {
			t.Errorf("%+v", p)
		}
		r.refuses("metrics", inputs{"folder": folder, "failed": false, "required": true}, want)
	}
	// It goes away between plan and apply.
	gone := filepath.Join(dir, "gone")
	if err := os.Mkdir(gone, 0o755); err != nil {
		t.Fatal(err)
	}
	in := inputs{"folder": gone, "failed": false}
	p := r.plan("metrics", in)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if result, err := r.apply(context.Background(), "metrics", in, p); err != nil || sdk.HasErrors(result.Diagnostics) || len(result.Diagnostics) != 1 || len(result.Done) > 0 {
		t.Errorf("%v %+v", err, result)
	}
	in["required"] = true
	if result, err := r.apply(context.Background(), "metrics", in, p); err != nil || !sdk.HasErrors(result.Diagnostics) {
		t.Errorf("%v %+v", err, result)
	}
}

// A link where the file is to be, or where it is made, is replaced and not followed; so is a pipe; and what a power cut has left.
func TestNothingIsFollowed(t *testing.T) {
	r := newRig(t)
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(elsewhere, []byte("as it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	name := fileName(map[string]string{"playbook": "x"})
	in := inputs{"folder": dir, "labels": inputs{"playbook": "x"}, "failed": true}
	for _, prepare := range []func(path string) error{
		func(path string) error { return os.Symlink(elsewhere, path) },
		func(path string) error { return unix.Mkfifo(path, 0o666) },
		func(path string) error { return os.WriteFile(path, []byte("half of a l"), 0o600) },
		func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", mostMetrics+1)), 0o600) },
	} {
		for _, n := range []string{name, "." + name + ".tmp"} {
			path := filepath.Join(dir, n)
			_ = os.Remove(path)
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
		}
		if result := r.run("metrics", in); len(result.Diagnostics) > 0 {
			t.Fatal(r.said.String())
		}
		if said := read(t, fileOf(t, dir)); !strings.Contains(said, "coppice_run_failed") {
			t.Error(said)
		}
		if got := read(t, elsewhere); got != "as it was" {
			t.Errorf("written elsewhere: %q", got)
		}
	}
}

// While another process has the folder it is waited for, and a run that is stopped does not wait.
func TestMetricsAreCancelled(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	in := inputs{"folder": dir, "failed": true}
	p := r.plan("metrics", in)
	held, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	result, err := r.apply(ctx, "metrics", in, p)
	if err != nil || len(result.Diagnostics) != 1 || result.Diagnostics[0].Reason != sdk.Cancelled {
		t.Errorf("%v %+v", err, result)
	}
	if all, _ := os.ReadDir(dir); len(all) > 0 {
		t.Errorf("left behind: %v", all)
	}
}

// Labels that look alike have files of their own.
func TestFileNames(t *testing.T) {
	seen := map[string]bool{}
	for _, labels := range []map[string]string{
		nil, {"playbook": "a"}, {"playbook": "a", "filesystem": "/"}, {"playbook": "a", "filesystem": "/b"}, {"playbook": "../a"}, {"playbook": "a/"},
	} {
		name := fileName(labels)
		if seen[name] || strings.ContainsAny(name, "/ ") || !strings.HasPrefix(name, "coppice_") || !strings.HasSuffix(name, ".prom") {
			t.Errorf("%v: %s", labels, name)
		}
		seen[name] = true
	}
}
