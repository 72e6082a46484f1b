package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// TestMain lets the test binary be coppice: in scripts, and as its own plugins.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"coppice": func() { os.Exit(beCoppice()) }, "coppice-plugin-hello": serveHello, "coppice-plugin-sloppy": serveSloppy})
}

// tests keep their state in a folder of their own.
type tests struct{ *testing.M }

func (t tests) Run() int {
	dir, err := os.MkdirTemp("", "coppice-state-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("COPPICE_STATE_DIR", dir+"/state:"+dir+"/volatile")
	schemas, err := filepath.Abs("../../docs/reference/schema")
	if err != nil {
		panic(err)
	}
	os.Setenv(schemasVariable, schemas)
	os.Setenv(problemsVariable, dir+"/problems")
	if race {
		if err := buildPlain(dir + "/plain"); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			return 1
		}
	}
	// Most of their time the tests wait, for disks and for processes. The command line overrides it.
	_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	code := t.M.Run()
	if problems, err := os.ReadFile(dir + "/problems"); err == nil {
		fmt.Fprintf(os.Stderr, "FAIL: some JSON does not fit its schema\n%s", problems)
		return 1
	}
	return code
}

// TestScripts runs testdata/script/*.txtar. Beside testscript's own commands
// they have:
//
//	exits CODE COMMAND…    the command ends with just that code
//	btrfs-with SUBVOLUME…  a throw-away btrfs with these subvolumes, mounted at $FS
//	btrfs-disk             another throw-away btrfs with the folder server, mounted at $DISK
//	past N STEP END SOURCE…  N snapshots of each source, a step apart, the last a step before
//	                       the END: a time or now
//	foreign NAME DIR       a plugin of somebody else, called NAME, in a folder
//	pin-oldest             a hold on the oldest snapshot
//	[root]                 the test runs as root, and what needs root is not left out
//	[btrfs]                the machine can make one, or COPPICE_REQUIRE says it must
func TestScripts(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		UpdateScripts:      os.Getenv("UPDATE_SCRIPTS") == "1",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, "COPPICE_CONFIG_DIR="+filepath.Join(e.WorkDir, "etc"),
				"COPPICE_STATE_DIR="+filepath.Join(e.WorkDir, "state")+":"+filepath.Join(e.WorkDir, "volatile"),
				schemasVariable+"="+os.Getenv(schemasVariable), problemsVariable+"="+os.Getenv(problemsVariable), "GORACE="+os.Getenv("GORACE"), "REPO="+repo, "PATH="+pathFor(e)+":/usr/sbin:/sbin")
			return nil
		},
		Condition: func(c string) (bool, error) {
			if c == "root" {
				return need.HasRoot() || need.Required("root"), nil
			}
			if c != "btrfs" {
				return false, fmt.Errorf("unknown condition %q", c)
			}
			_, err := exec.LookPath("mkfs.btrfs")
			return need.HasRoot() && err == nil || need.Required("btrfs"), nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "btrfs-with": btrfsWith, "btrfs-disk": btrfsDisk, "past": past, "pin-oldest": pinOldest, "foreign": foreign,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, ts.ReadFile("stderr"))
	}
}

// pinOldest puts a hold on the oldest snapshot.
func pinOldest(ts *testscript.TestScript, _ bool, _ []string) {
	fs, _ := filesystems.Load(ts.Getenv("WORK"))
	f, err := kernel.Open(context.Background(), fs.(*loopfs.Filesystem).Mount)
	ts.Check(err)
	defer f.Close()
	all, err := f.List()
	ts.Check(err)
	var oldest kernel.Subvolume
	for _, s := range all {
		if strings.HasPrefix(s.Path, "snapshots/") && (oldest.ID == 0 || s.OTime.Before(oldest.OTime)) {
			oldest = s
		}
	}
	_, err = f.MkdirAll(".coppice/holds", 0o700)
	ts.Check(err)
	ts.Check(f.WriteFileAtomic(".coppice/holds/"+oldest.UUID.String(), []byte(`{"reason":"before the upgrade","who":"test"}`), 0o600))
}

// scriptT lets loopfs skip or fail a script.
type scriptT struct{ ts *testscript.TestScript }

func (s scriptT) Helper()                           {}
func (s scriptT) Cleanup(f func())                  { s.ts.Defer(f) }
func (s scriptT) Fatalf(format string, args ...any) { s.ts.Fatalf(format, args...) }
func (s scriptT) Errorf(format string, args ...any) { s.ts.Fatalf(format, args...) }
func (s scriptT) Logf(format string, args ...any)   { s.ts.Logf(format, args...) }
func (s scriptT) Skipf(format string, args ...any)  { s.ts.Fatalf(format, args...) }
func (s scriptT) Failed() bool                      { return false }

var filesystems sync.Map // the script's work folder → *loopfs.Filesystem

func btrfsWith(ts *testscript.TestScript, neg bool, args []string) {
	fs := loopfs.ForTest(scriptT{ts}, loopfs.Options{Size: 512 << 20})
	ts.Setenv("FS", fs.Mount)
	ts.Check(history.Create(context.Background(), fs, args))
	filesystems.Store(ts.Getenv("WORK"), fs)
}

func btrfsDisk(ts *testscript.TestScript, neg bool, args []string) {
	fs := loopfs.ForTest(scriptT{ts}, loopfs.Options{Size: 256 << 20})
	ts.Setenv("DISK", fs.Mount)
	ts.Check(os.Mkdir(fs.Path("server"), 0o700))
}

func past(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	step, err := time.ParseDuration(args[1])
	ts.Check(err)
	end := time.Now()
	if args[2] != "now" {
		end, err = time.Parse(time.RFC3339, args[2])
		ts.Check(err)
	}
	fs, _ := filesystems.Load(ts.Getenv("WORK"))
	ts.Check(history.Take(context.Background(), fs.(*loopfs.Filesystem), args[3:], history.Every(step, n, end)))
}

// coppice runs the command and returns its exit code and what it wrote.
func coppice(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := &exec.Cmd{Path: plain, Args: append([]string{"coppice"}, args...),
		Env: append(os.Environ(), env...)}
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return code, out.String(), errs.String()
}

// must is coppice that has to succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := coppice(t, nil, args...)
	if code != 0 {
		t.Fatalf("coppice %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// snapshots are the paths of all snapshots, as btrfs prints them.
func snapshots(t *testing.T, mount string) []string {
	t.Helper()
	out, err := exec.Command("btrfs", "subvolume", "list", "-s", mount).Output()
	if err != nil {
		t.Fatal(fmt.Errorf("btrfs subvolume list: %w", err))
	}
	var paths []string
	for line := range strings.Lines(string(out)) {
		_, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " path ")
		paths = append(paths, path)
	}
	return paths
}
