package upkeep

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/sdk"
)

const marker = "a marker that stands nowhere else, 4711"

// What has a marker at its end and is no inline file.
var marked = strings.Repeat("\x00", 8192) + marker

func TestScrubWhenDue(t *testing.T) {
	r := newRig(t, loopfs.Options{MkfsArgs: []string{"-L", "server"}})
	r.fill(2, 4<<20)
	month := rig.Inputs{"if_older": "30d"}
	q := r.request("scrub", month)
	plan := r.Plan(q)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"run server"})
	rig.Contains(t, rig.Show(plan), "never finished so far", "read and check about")
	if _, err := os.Stat(r.FS.Path(volume.StateFolder)); err == nil {
		t.Error("the preview has left a trace")
	}
	result := r.Apply(q, plan)
	rig.Same(t, "diagnostics", rig.Told(result.Diagnostics), "")
	rig.Same(t, "done", result.Done, []int{0})
	out := rig.Outputs[ScrubOutput](t, result.Outputs)
	if !out.Due.Due || out.Last == nil || !out.Last.Equal(r.now) || !out.Next.Equal(r.now.Add(30*24*time.Hour)) || out.Bytes < 8<<20 || out.Uncorrectable != 0 {
		t.Errorf("%s", rig.Show(out))
	}
	// The same plan again, and a second run: nothing to do.
	again := r.Apply(q, plan)
	if len(again.Done) != 0 || rig.Outputs[ScrubOutput](t, again.Outputs).Bytes != out.Bytes {
		t.Errorf("applied twice: %s", rig.Show(again))
	}
	finished := r.now
	for _, days := range []int{1, 14, 14} {
		r.later(time.Duration(days) * 24 * time.Hour)
		plan = r.Plan(r.request("scrub", month))
		rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
		rig.Contains(t, plan.Summary, "not due: last finished 2026-01-31 03:00 UTC, due again 2026-03-02 03:00 UTC")
		if o := rig.Outputs[ScrubOutput](t, plan.Outputs); o.Due.Due || !o.Last.Equal(finished) || o.Bytes != out.Bytes || len(plan.Unknown) != 0 {
			t.Errorf("%s", rig.Show(o))
		}
	}
	// An earlier step of the preview does it.
	r.later(24 * time.Hour)
	due := r.Plan(r.request("scrub", month))
	rig.Contains(t, rig.Show(due.Changes), "30d ago, due every 30d")
	second := r.Plan(r.request("scrub", month, due.Changes...))
	rig.Same(t, "after an earlier step", rig.Names(second.Changes), []string{})

	// A record that can't be read is no reason to scrub, nor not to.
	for _, bad := range []string{"{", `{"version": 2}`, `{"version": 1, "last": 7}`} {
		write(t, r.FS.Path(recordFolder, scrubFile), bad)
		r.Refuses(r.request("scrub", month), "the record \".coppice/upkeep/scrub.json\" can't be read, so nobody knows what is due")
	}
	must(t, os.Remove(r.FS.Path(recordFolder, scrubFile)))
	write(t, r.FS.Path(volume.VersionPath), "77\n")
	r.Refuses(r.request("scrub", month), `are of version "77"`)
}

func TestScrubStopsAndGoesOn(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 512 << 20})
	r.fill(4, 32<<20)
	f := r.open()
	must(t, f.SetScrubLimit(1, 1<<40))
	defer f.Close()
	progress := sdk.Progress{}
	q := r.request("scrub", rig.Inputs{"if_older": "30d", "speed_max": 32 << 20})
	plan := r.Plan(q)
	rig.Contains(t, rig.Show(plan.Changes), "at most 32MiB/s of each")
	result := r.applyUntil(q, plan, func(e sdk.Event) bool {
		p, ok := e.(sdk.Progress)
		if ok {
			progress = p
		}
		limit, err := f.ScrubLimit(1)
		if err != nil || limit != 32<<20 {
			t.Errorf("limited to %d, %v", limit, err)
		}
		return ok && strings.Contains(p.Message, "left")
	})
	rig.Same(t, "stopped", reasons(result.Diagnostics), []string{"error cancelled"})
	rig.Contains(t, rig.Told(result.Diagnostics), "was stopped after", "the next one goes on where it was")
	if progress.Total == 0 || progress.Current == 0 || !strings.Contains(progress.Message, "iB/s, ") {
		t.Errorf("%+v", progress)
	}
	if limit, err := f.ScrubLimit(1); err != nil || limit != 1<<40 {
		t.Errorf("not restored: %d, %v", limit, err)
	}
	first := rig.Outputs[ScrubOutput](t, result.Outputs)
	if len(result.Done) != 0 || first.Last != nil || first.Bytes == 0 {
		t.Errorf("%s", rig.Show(result))
	}

	// Tomorrow it goes on; in three weeks it would begin anew.
	r.later(21 * 24 * time.Hour)
	if p := r.Plan(r.request("scrub", rig.Inputs{"if_older": "30d"})); strings.Contains(rig.Show(p), "goes on") {
		t.Errorf("after three weeks: %s", rig.Show(p.Changes))
	}
	r.later(-20 * 24 * time.Hour)
	q = r.request("scrub", rig.Inputs{"if_older": "30d"})
	plan = r.Plan(q)
	rig.Contains(t, rig.Show(plan.Changes), "goes on with the one begun 2026-01-31 03:00 UTC")
	result = r.Apply(q, plan)
	rig.Same(t, "diagnostics", rig.Told(result.Diagnostics), "")
	whole := rig.Outputs[ScrubOutput](t, result.Outputs)
	printed := r.Btrfs("scrub", "start", "-B", "-R", r.FS.Mount)
	if !whole.Resumed || whole.Bytes <= first.Bytes || whole.Bytes < 128<<20 || !strings.Contains(printed, "data_bytes_scrubbed: 134217728") {
		t.Errorf("first %s, then %s; btrfs: %s", rig.Show(first), rig.Show(whole), printed)
	}

	// The process ends in the middle: the record says running, the kernel knows better. The limit comes back too.
	r.later(40 * 24 * time.Hour)
	write(t, r.FS.Path(recordFolder, scrubFile), `{"version":1,"open":{"run":"x","started":"2026-03-12T00:00:00Z","updated":"2026-03-12T01:00:00Z","seconds":5,
		"read_only":false,"devices":[{"uuid":"`+deviceUUID(t, f)+`","id":1,"position":20000000,"through":false,"limit":77000000,"counts":{"bytes":5,"corrected":2}}]}}`)
	q = r.request("scrub", nil)
	plan = r.Plan(q)
	rig.Contains(t, rig.Show(plan.Changes), "goes on with the one begun 2026-03-12")
	result = r.Apply(q, plan)
	rig.Contains(t, rig.Told(result.Diagnostics), "corrected on btrfs", "2 errors")
	if limit, err := f.ScrubLimit(1); err != nil || limit != 77000000 {
		t.Errorf("not restored: %d, %v", limit, err)
	}
	must(t, f.SetScrubLimit(1, 0))
	if r.Apply(q, plan).Done != nil {
		t.Error("applied twice")
	}
}

func deviceUUID(t *testing.T, f *kernel.Filesystem) string {
	t.Helper()
	devices, err := f.Devices()
	must(t, err)
	return devices[0].UUID.String()
}

func TestScrubOfDamage(t *testing.T) {
	raid := newRig(t, loopfs.Options{Devices: 2, MkfsArgs: []string{"-d", "raid1", "-m", "raid1"}})
	raid.Write("file", marked)
	raid.damage(1, marker)
	q := raid.request("scrub", rig.Inputs{"read_only": true})
	result := raid.Apply(q, raid.Plan(q))
	out := rig.Outputs[ScrubOutput](t, result.Outputs)
	rig.Contains(t, rig.Told(result.Diagnostics), "warning", "with a good copy could be corrected")
	if out.Corrected != 0 || out.Correctable == 0 || out.Uncorrectable != 0 || out.ChecksumErrors == 0 {
		t.Errorf("read-only: %s", rig.Show(out))
	}
	// That one looked only: one that repairs is still due.
	q = raid.request("scrub", rig.Inputs{"if_older": "30d"})
	result = raid.Apply(q, raid.Plan(q))
	rig.Contains(t, rig.Told(result.Diagnostics), "warning", "corrected on btrfs")
	if out = rig.Outputs[ScrubOutput](t, result.Outputs); out.Corrected == 0 || out.Uncorrectable != 0 || sdk.HasErrors(result.Diagnostics) {
		t.Errorf("%s", rig.Show(out))
	}
	q = raid.request("scrub", nil)
	result = raid.Apply(q, raid.Plan(q))
	if out = rig.Outputs[ScrubOutput](t, result.Outputs); out.Corrected != 0 || len(result.Diagnostics) != 0 {
		t.Errorf("once more: %s", rig.Show(result))
	}

	single := newRig(t, loopfs.Options{MkfsArgs: []string{"-d", "single"}})
	single.Write("file", marked)
	single.damage(0, marker)
	q = single.request("scrub", rig.Inputs{"if_older": "30d"})
	result = single.Apply(q, single.Plan(q))
	rig.Same(t, "uncorrectable", reasons(result.Diagnostics), []string{"error failed"})
	rig.Contains(t, rig.Told(result.Diagnostics), "1 error on btrfs", "can't be corrected: there is no good copy", "dmesg")
	rig.Same(t, "done", result.Done, []int{0}) // it is finished, and not due tomorrow
	single.later(24 * time.Hour)
	plan := single.Plan(single.request("scrub", rig.Inputs{"if_older": "30d"}))
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
	rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "found 1 error that can't be corrected")
}

func TestScrubDegraded(t *testing.T) {
	r := newRig(t, loopfs.Options{Devices: 2, MkfsArgs: []string{"-d", "raid1", "-m", "raid1"}})
	r.fill(2, 4<<20)
	r.degrade()
	q := r.request("scrub", nil)
	plan := r.Plan(q)
	rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "device 2 of btrfs", "is missing: only the others are scrubbed")
	rig.Same(t, "done", r.Apply(q, plan).Done, []int{0})
}

func TestScrubReadOnly(t *testing.T) {
	r := newRig(t, loopfs.Options{})
	r.remount("ro", nil)
	r.Refuses(r.request("scrub", nil), "is read-only: nothing on it can be repaired", "read_only: true")
	q := r.request("scrub", rig.Inputs{"read_only": true})
	result := r.Apply(q, r.Plan(q))
	rig.Same(t, "done", result.Done, []int{0})
	rig.Contains(t, rig.Told(result.Diagnostics), "warning", "can't be recorded: it will be due again")
}

func TestScrubOfOthers(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 512 << 20})
	r.fill(4, 32<<20)
	f := r.open()
	defer f.Close()
	must(t, f.SetScrubLimit(1, 4<<20))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan []kernel.ScrubOutcome, 1)
	seen := make(chan bool, 1)
	go func() {
		ended <- f.Scrub(ctx, []kernel.ScrubPart{{Device: 1}}, true, 10*time.Millisecond, func([]kernel.ScrubCounters) {
			select {
			case seen <- true:
			default:
			}
		})
	}()
	<-seen
	q := r.request("scrub", nil)
	rig.Same(t, "reason", r.refused(q), sdk.Busy)
	r.Refuses(q, "can't be scrubbed now: a scrub is running", "if_running: wait")
	q = r.request("scrub", rig.Inputs{"if_running": "wait"})
	plan := r.Plan(q)
	rig.Contains(t, rig.Show(plan.Changes), "after the scrub that is running now")
	waited := false
	result, err := r.Plugin.Apply(context.Background(), q, plan, func(e sdk.Event) {
		if p, ok := e.(sdk.Progress); ok && strings.Contains(p.Message, "waiting") {
			waited = true
			_ = f.SetScrubLimit(1, 0)
			cancel()
		}
	})
	<-ended
	cancel()
	if err != nil || !waited || len(result.Done) != 1 {
		t.Errorf("waited %v: %s, %v", waited, rig.Show(result), err)
	}

	// Another coppice has the lock.
	unlock, err := volume.LockExclusive(context.Background(), r.Host, f)
	must(t, err)
	q = r.request("scrub", nil)
	rig.Same(t, "locked", reasons(r.Apply(q, r.Plan(q)).Diagnostics), []string{"error busy"})
	unlock()
}
