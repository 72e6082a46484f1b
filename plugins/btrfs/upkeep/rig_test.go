package upkeep

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// testRig is a rig with this package's actions, in virtual time.
type testRig struct {
	*rig.Rig
	now time.Time
	n   int
}

func newRig(t testing.TB, o loopfs.Options) *testRig {
	t.Helper()
	r := &testRig{Rig: rig.New(t, o, Actions), now: time.Date(2026, 1, 31, 3, 0, 0, 0, time.UTC)}
	r.Host.Now = func() time.Time { return r.now }
	r.Use(r.Host, Actions)
	return r
}

// request is the call of a new run, now.
func (r *testRig) request(action string, in rig.Inputs, prior ...sdk.Change) sdk.Request {
	r.T.Helper()
	r.n++
	r.Instants[r.n] = r.now
	return r.Request(r.n, action, in, prior...)
}

// later lets time go by.
func (r *testRig) later(d time.Duration) { r.now = r.now.Add(d) }

// fill writes files of random bytes, and syncs.
func (r *testRig) fill(files, size int) {
	r.T.Helper()
	for i := range files {
		data := make([]byte, size)
		rand.Read(data)
		r.Write(fmt.Sprintf("fill/%d", i), string(data))
	}
	r.Exec("sync", "-f", r.FS.Mount)
}

func (r *testRig) open() *kernel.Filesystem {
	r.T.Helper()
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		r.T.Fatal(err)
	}
	return f
}

// remount unmounts, lets something happen to the images, and mounts again.
func (r *testRig) remount(options string, between func()) {
	r.T.Helper()
	if err := r.FS.Unmount(); err != nil {
		r.T.Fatal(err)
	}
	if between != nil {
		between()
	}
	if err := r.FS.MountAgain(options); err != nil {
		r.T.Fatal(err)
	}
}

// damage flips bits wherever the marker stands in an image.
func (r *testRig) damage(image int, marker string) {
	r.T.Helper()
	r.remount("", func() {
		if n, err := r.FS.Damage(image, []byte(marker), 0); err != nil || n == 0 {
			r.T.Fatalf("%d places damaged, %v", n, err)
		}
	})
}

// refused is the reason of the only diagnostic of a plan that fails.
func (r *testRig) refused(q sdk.Request) sdk.Reason {
	r.T.Helper()
	_, err := r.Plugin.Plan(context.Background(), q)
	all := sdk.Diagnose(err)
	if len(all) != 1 {
		r.T.Fatalf("planned, or not one reason: %s", rig.Told(all))
	}
	return all[0].Reason
}

// applyUntil applies a plan, and stops it when an event fits.
func (r *testRig) applyUntil(q sdk.Request, p *sdk.Plan, stop func(sdk.Event) bool) *sdk.Result {
	r.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result, err := r.Plugin.Apply(ctx, q, p, func(e sdk.Event) {
		if stop(e) {
			cancel()
		}
	})
	if err != nil {
		r.T.Fatal(err)
	}
	return result
}

func reasons(all []sdk.Diagnostic) []string {
	var found []string
	for _, d := range all {
		found = append(found, string(d.Severity)+" "+string(d.Reason))
	}
	return found
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// degrade takes the second device away.
func (r *testRig) degrade() {
	r.T.Helper()
	r.remount("degraded", func() { r.FS.Image = r.FS.Image[:1] })
}
