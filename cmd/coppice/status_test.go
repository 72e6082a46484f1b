package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
)

// TestWorries: each thing that can be wrong is said, and nothing else.
func TestWorries(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.Local)
	well := func() health {
		return health{At: now,
			Playbooks: []playbookHealth{{Name: "snapshot-rotation", Calendar: "*-*-* 00/6:00:00", Timer: "active", LastSuccess: now.Add(-6 * time.Hour), within: 5 * time.Minute,
				Last: &lastRun{Run: "r", Started: now.Add(-6 * time.Hour), Status: engine.Succeeded}}},
			Filesystems: []filesystemHealth{{Filesystem: "/", FreeRatio: 0.5, Devices: 1}},
			Boot:        &bootHealth{LastResult: "rolled-back", Confirmed: true, Next: "rolled-back"}}
	}
	if got := worries(well()); len(got) != 0 {
		t.Errorf("all is well, and it says %v", got)
	}
	for want, spoil := range map[string]func(h *health){
		"error snapshot-rotation: the last run failed, 6 hours ago: step x: y": func(h *health) {
			h.Playbooks[0].Last.Status, h.Playbooks[0].Last.Reason = engine.RunFailed, "step x: y"
		},
		"error snapshot-rotation: the last run timed out, 6 hours ago: late":   func(h *health) { h.Playbooks[0].Last.Status, h.Playbooks[0].Last.Reason = engine.RunTimedOut, "late" },
		"warning snapshot-rotation: the last run was cut off, 6 hours ago":     func(h *health) { h.Playbooks[0].Last.Status = journal.Interrupted },
		"error snapshot-rotation: its service has failed: exit code 65":        func(h *health) { h.Playbooks[0].Unit = "exit code 65" },
		"error snapshot-rotation: its timer is failed, so it does not run":     func(h *health) { h.Playbooks[0].Timer = "failed" },
		"error snapshot-rotation: it would fail now: no":                       func(h *health) { h.Playbooks[0].Fails = "no" },
		"error snapshot-rotation: it has not succeeded since 2026-11-25 20:00": func(h *health) { h.Playbooks[0].LastSuccess = now.Add(-16 * time.Hour) },
		"error /: only 4 % is free":                                            func(h *health) { h.Filesystems[0].FreeRatio = 0.04 },
		"error /: 1 device is missing":                                         func(h *health) { h.Filesystems[0].Missing = 1 },
		"error /: devices have new errors: /dev/sda: read 0 → 3":               func(h *health) { h.Filesystems[0].Errors = []string{"/dev/sda: read 0 → 3"} },
		"error /: gone":                                                        func(h *health) { h.Filesystems[0].Problem = "gone" },
		"warning boot: rollback is off: because":                               func(h *health) { h.Boot.Off = "because" },
		"error boot: the next boot will not roll the root back: a; b":          func(h *health) { h.Boot.Next, h.Boot.NextWhy = "refused", []string{"a", "b"} },
		"warning boot: 2 boots in a row were not confirmed":                    func(h *health) { h.Boot.Confirmed, h.Boot.Unconfirmed = false, 2 },
		"warning boot: cut off":                                                func(h *health) { h.Boot.unfinished = "cut off" },
		"warning machine: nothing is deleted: /etc/coppice/hold":               func(h *health) { h.Holds = []string{"/etc/coppice/hold"} },
		"warning machine: no playbook is installed, so nothing runs by itself": func(h *health) { h.Playbooks = nil },
	} {
		h := well()
		spoil(&h)
		got := worries(h)
		if len(got) != 1 || fmt.Sprintf("%s %s: %s", got[0].Level, got[0].About, got[0].What) != want {
			t.Errorf("want %q, got %+v", want, got)
		}
	}
	// One run that did not come can still be on its way; a stop on request is nobody's worry; errors come first.
	h := well()
	h.Playbooks[0].LastSuccess = now.Add(-11 * time.Hour)
	h.Playbooks[0].Last.Status = engine.RunCancelled
	if got := worries(h); len(got) != 0 {
		t.Errorf("%v", got)
	}
	h.Holds, h.Filesystems[0].Missing = []string{"x"}, 2
	if got := worries(h); len(got) != 2 || got[0].Level != levelError || !strings.HasPrefix(got[0].What, "2 devices are") {
		t.Errorf("%v", got)
	}
}

// TestOverriddenOptions: the first mount of a btrfs decides, as it was seen on a real one: a mount with nodatacow after one with
// compress=zstd:3 has that, and one without copy on write before it takes the compression from all.
func TestOverriddenOptions(t *testing.T) {
	const table = `# /etc/fstab
UUID=1 /         btrfs subvol=root,compress=zstd:3,noatime 0 0
UUID=1 /var/lib\040x btrfs subvol=db,nodatacow 0 0
UUID=1 /srv      btrfs subvol=srv,compress=no 0 0
UUID=1 /home     btrfs subvol=home,compress=zstd 0 0
UUID=1 /mnt/off  btrfs subvol=off,noauto,compress=lzo 0 0
tmpfs  /tmp      tmpfs nosuid,compress=x 0 0
`
	lines := fstab(table)
	if len(lines) != 5 || lines[1].place != "/var/lib x" {
		t.Fatalf("%+v", lines)
	}
	mounts := func(super string) []mountinfo.Mount {
		var all []mountinfo.Mount
		for _, at := range []string{"/", "/var/lib x", "/srv", "/home"} {
			all = append(all, mountinfo.Mount{MountPoint: at, FSType: "btrfs", SuperOptions: super + ",subvolid=256,subvol=/x"})
		}
		return all
	}
	for super, want := range map[string]string{
		"rw,compress=zstd:3,ssd": "/var/lib x: fstab asks for nodatacow, and it is mounted without: the first mount of a btrfs decides for all of it\n" +
			"/srv: fstab asks for compress=no, but it is mounted with compress=zstd:3: the first mount of a btrfs decides for all of it\n",
		"rw,nodatasum,nodatacow": "/: fstab asks for compress=zstd:3, and it is mounted without: the first mount of a btrfs decides for all of it\n" +
			"/home: fstab asks for compress=zstd, and it is mounted without: the first mount of a btrfs decides for all of it\n",
	} {
		got := ""
		for _, d := range overridden(lines, mounts(super)) {
			got += d.place + ": " + d.what + "\n"
		}
		if got != want {
			t.Errorf("mounted with %s:\n%s", super, got)
		}
	}
}

func TestOldKernel(t *testing.T) {
	for release, want := range map[string]string{"6.18.44-fc": stateOK, "5.7.0": stateOK, "5.6.19": levelError, "4.19.0-27-amd64": levelError, "5.10-rc1": stateOK, "strange": stateUnknown} {
		e := &examination{}
		if e.kernel(release); len(e.all) != 1 || e.all[0].State != want {
			t.Errorf("%s: %+v", release, e.all)
		}
	}
}

func TestClockIsJudged(t *testing.T) {
	for _, c := range []struct {
		why  string
		err  error
		want string
	}{{"", nil, stateOK}, {"the system clock is not synchronised", nil, levelWarning}, {"", fmt.Errorf("no"), stateUnknown}} {
		e := &examination{}
		if e.clock(c.why, c.err); e.all[0].State != c.want {
			t.Errorf("%+v", e.all)
		}
	}
}
