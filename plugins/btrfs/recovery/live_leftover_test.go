package recovery

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// killed applies a request in a process that is killed at a point.
func (r *testRig) killed(point string, q sdk.Request) {
	r.T.Helper()
	data, err := json.Marshal(q)
	if err != nil {
		r.T.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), "COPPICE_TEST_CUT="+point, "COPPICE_TEST_REQUEST="+string(data))
	out, _ := child.CombinedOutput()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		r.T.Fatalf("%s: the process was not killed: %s", point, out)
	}
}

// staged are the folders in which copies were made, and their claims.
func (r *testRig) staged() (folders, claims []string) {
	r.T.Helper()
	folders, _ = filepath.Glob(r.FS.Path("home/" + stagingPrefix + "*"))
	claims, _ = filepath.Glob(r.FS.Path(restoringFolder + "/*"))
	return folders, claims
}

// What a restore that was killed has left, the next one removes, wherever that restores; and nothing else.
func TestRestoreKilled(t *testing.T) {
	r := newRig(t)
	r.Create("home")
	r.sh("mkdir home/d; echo 1 >home/d/1; echo 2 >home/file")
	snap := r.snapshot(1, "home")[0]
	r.sh("mkdir home/" + stagingPrefix + "OTHER; echo mine >home/" + stagingPrefix + "OTHER/content")
	for n, point := range []string{"staging", "copied", "named"} {
		r.sh("rm -rf home/d home/file")
		r.killed(point, r.Request(10*n+2, "restore", rig.Inputs{"snapshot": snap, "path": "d"}))
		if folders, claims := r.staged(); len(folders) != 2 || len(claims) != 1 {
			t.Fatalf("%s: %q %q", point, folders, claims)
		}
		r.Write(".coppice/hold", "")
		p := r.Plan(r.Request(10*n+3, "restore", rig.Inputs{"snapshot": snap, "path": "file"}))
		rig.Same(t, "changes", rig.Names(p.Changes), []string{"create home/file"})
		rig.Contains(t, rig.Show(p.Kept), "nothing is deleted")
		r.sh("rm .coppice/hold")

		q := r.Request(10*n+4, "restore", rig.Inputs{"snapshot": snap, "path": "file"})
		p = r.Plan(q)
		if len(p.Changes) != 2 || p.Changes[0].Kind != sdk.Run {
			t.Error(rig.Show(p.Changes))
		}
		rig.Contains(t, p.Changes[0].Summary, "cut off")
		if result := r.Apply(q, p); len(result.Done) != 2 {
			t.Error(rig.Show(result), rig.Told(result.Diagnostics))
		}
		if folders, claims := r.staged(); len(folders) != 1 || len(claims) != 0 {
			t.Errorf("%s, run again: %q %q", point, folders, claims)
		}
		if r.read("home/file") != "2\n" || r.read("home/"+stagingPrefix+"OTHER/content") != "mine\n" {
			t.Error("not what it should be")
		}
	}

	// Whoever owns the folder may have put something else into its place.
	r.sh("rm -rf home/d home/file")
	r.killed("copied", r.Request(90, "restore", rig.Inputs{"snapshot": snap, "path": "d"}))
	r.sh("cd home; t=$(ls -d " + stagingPrefix + "* | grep -v OTHER); mv $t away; mkdir $t; echo precious >$t/content")
	p, _ := r.Run(r.Request(91, "restore", rig.Inputs{"snapshot": snap, "path": "file"}))
	rig.Same(t, "changes", rig.Names(p.Changes), []string{"create home/file"})
	if folders, _ := r.staged(); len(folders) != 2 || r.read("home/away/content/1") != "1\n" {
		t.Errorf("%q", folders)
	}
}
