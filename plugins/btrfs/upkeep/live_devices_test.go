package upkeep

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func TestDeviceErrors(t *testing.T) {
	r := newRig(t, loopfs.Options{MkfsArgs: []string{"-d", "single", "-L", "server"}})
	r.Write("file", marked)
	plan := r.Plan(r.request("device_errors", nil))
	if out := rig.Outputs[DeviceErrorsOutput](t, plan.Outputs); len(plan.Changes) != 0 || out.Risen || len(out.Devices) != 1 || len(plan.Diagnostics) != 0 {
		t.Errorf("%s", rig.Show(plan))
	}
	r.damage(0, marker)
	if _, err := os.ReadFile(r.FS.Path("file")); err == nil {
		t.Error("the damage is not seen")
	}
	read := func() DeviceStatus {
		t.Helper()
		return rig.Outputs[DeviceErrorsOutput](t, r.Plan(r.request("device_errors", nil)).Outputs).Devices[0]
	}
	device := read()
	stats := r.Btrfs("device", "stats", r.FS.Mount)
	if device.Corruption == 0 || !strings.Contains(stats, fmt.Sprintf("corruption_errs  %d\n", device.Corruption)) {
		t.Errorf("%s\nbtrfs: %s", rig.Show(device), stats)
	}
	// It fails each time, until somebody says that it is known.
	for range 2 {
		plan = r.Plan(r.request("device_errors", nil))
		rig.Same(t, "reasons", reasons(plan.Diagnostics), []string{"error failed"})
		rig.Contains(t, rig.Told(plan.Diagnostics), fmt.Sprintf("device 1 of btrfs server (%s) has new errors: corruption 0 → %d", device.Path, device.Corruption))
		rig.Same(t, "changes", len(plan.Changes), 0)
	}
	rig.Same(t, "reasons", reasons(r.Plan(r.request("device_errors", rig.Inputs{"on_rise": "warn"})).Diagnostics), []string{"warning "})
	q := r.request("device_errors", rig.Inputs{"acknowledge": true})
	plan, result := r.Run(q)
	rig.Contains(t, rig.Show(plan.Changes), "corruption 0 →")
	rig.Same(t, "done", result.Done, []int{0})
	rig.Same(t, "applied twice", len(r.Apply(q, plan).Done), 0)
	rig.Same(t, "a second run", len(r.Plan(r.request("device_errors", rig.Inputs{"acknowledge": true})).Changes), 0)
	plan = r.Plan(r.request("device_errors", nil))
	rig.Same(t, "acknowledged", rig.Told(plan.Diagnostics), "")

	// More of it is news again; a reset is noticed, and what comes after it is news.
	_, _ = os.ReadFile(r.FS.Path("file"))
	known := device.Corruption
	now := read()
	if now.Corruption <= known {
		t.Fatalf("known %d, now %d", known, now.Corruption)
	}
	rig.Contains(t, rig.Told(r.Plan(r.request("device_errors", nil)).Diagnostics), fmt.Sprintf("corruption %d → %d", known, now.Corruption))
	r.Btrfs("device", "stats", "--reset", r.FS.Mount)
	plan, _ = r.Run(r.request("device_errors", nil))
	rig.Contains(t, rig.Show(plan.Changes), "the counters of device 1 were reset")
	rig.Same(t, "a second run", len(r.Plan(r.request("device_errors", nil)).Changes), 0)
	_, _ = os.ReadFile(r.FS.Path("file"))
	rig.Contains(t, rig.Told(r.Plan(r.request("device_errors", nil)).Diagnostics), "corruption 0 →")

	write(t, r.FS.Path(recordFolder, devicesFile), "[]")
	r.Refuses(r.request("device_errors", nil), "devices.json\" can't be read")
}

func TestMissingDevice(t *testing.T) {
	r := newRig(t, loopfs.Options{Devices: 2, MkfsArgs: []string{"-d", "raid1", "-m", "raid1"}})
	r.Write(recordFolder+"/"+devicesFile, `{"version":1,"devices":{"00000000-0000-0000-0000-000000000009":{"id":3,"counts":{"read":7}}}}`)
	write(t, r.FS.Path(".coppice/version"), "1\n")
	r.remount("ro", nil)
	r.Refuses(r.request("device_errors", rig.Inputs{"acknowledge": true}), "read-only: nothing can be acknowledged")
	rig.Same(t, "read-only", len(r.Plan(r.request("device_errors", nil)).Changes), 0)
	r.degrade()
	plan := r.Plan(r.request("device_errors", nil))
	rig.Same(t, "reasons", reasons(plan.Diagnostics), []string{"error failed"})
	rig.Contains(t, rig.Told(plan.Diagnostics), "device 2 of btrfs", "is missing", "btrfs replace")
	rig.Contains(t, rig.Show(plan.Changes), "the device that was number 3 is no part of the filesystem any more")
	if out := rig.Outputs[DeviceErrorsOutput](t, plan.Outputs); out.Missing != 1 || out.Devices[1].Path != "" {
		t.Errorf("%s", rig.Show(out))
	}
	q := r.request("device_errors", nil)
	result, err := r.Plugin.Apply(context.Background(), q, r.Plan(q), func(sdk.Event) {})
	if err != nil || len(result.Done) != 1 {
		t.Errorf("%s, %v", rig.Show(result), err)
	}
	rig.Same(t, "a second run", len(r.Plan(r.request("device_errors", nil)).Changes), 0)
}
