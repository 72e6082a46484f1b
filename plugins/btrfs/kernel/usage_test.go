package kernel_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// TestUsageEqualsOracle compares all numbers of `btrfs filesystem usage -b`, for every profile.
func TestUsageEqualsOracle(t *testing.T) {
	cases := []struct {
		name string
		o    loopfs.Options
	}{
		{"single and DUP", loopfs.Options{}},
		{"mixed", loopfs.Options{Size: 200 << 20, MkfsArgs: []string{"--mixed"}}},
		{"mixed DUP", loopfs.Options{MkfsArgs: []string{"--mixed", "-d", "dup", "-m", "dup"}}},
		{"RAID0 and RAID1", loopfs.Options{Devices: 2, MkfsArgs: []string{"-d", "raid0", "-m", "raid1"}}},
		{"RAID1C3", loopfs.Options{Devices: 3, MkfsArgs: []string{"-d", "raid1c3", "-m", "raid1c3"}}},
		{"RAID1 and RAID1C4", loopfs.Options{Devices: 4, MkfsArgs: []string{"-d", "raid1", "-m", "raid1c4"}}},
		{"RAID10", loopfs.Options{Devices: 4, MkfsArgs: []string{"-d", "raid10", "-m", "raid10"}}},
		{"RAID5", loopfs.Options{Devices: 3, MkfsArgs: []string{"-d", "raid5", "-m", "raid1"}}},
		{"RAID6 and RAID5", loopfs.Options{Devices: 4, MkfsArgs: []string{"-d", "raid6", "-m", "raid5"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			loop, f := made(t, c.o)
			for i := range 5 {
				must(t, os.WriteFile(loop.Path(fmt.Sprint("file", i)), make([]byte, 7<<20+i*12345), 0o600))
			}
			create(t, f, "sub")
			must(t, f.Sync())
			compareUsage(t, loop, f)
		})
	}
}

func compareUsage(t *testing.T, loop *loopfs.Filesystem, f *kernel.Filesystem) {
	t.Helper()
	// The reserve changes by itself: both are read until nothing changed in between.
	var u kernel.Usage
	var printed string
	for range 10 {
		before, err := f.Usage()
		must(t, err)
		printed = btrfs(t, "filesystem", "usage", "-b", loop.Mount)
		if u, err = f.Usage(); err == nil && u == before {
			break
		}
	}
	want := map[string]string{
		"Device size":        fmt.Sprint(u.DeviceSize),
		"Device allocated":   fmt.Sprint(u.DeviceAllocated),
		"Device unallocated": fmt.Sprint(u.DeviceUnallocated),
		"Device missing":     fmt.Sprint(u.DeviceMissing),
		"Used":               fmt.Sprint(u.Used),
		"Free (estimated)":   fmt.Sprintf("%d (min: %d)", u.FreeEstimated, u.FreeMin),
		"Data ratio":         fmt.Sprintf("%.2f", u.DataRatio),
		"Metadata ratio":     fmt.Sprintf("%.2f", u.MetadataRatio),
		"Global reserve":     fmt.Sprintf("%d (used: %d)", u.GlobalReserve, u.GlobalReserveUsed),
		"Multiple profiles":  "no",
	}
	overall, chunks, _ := strings.Cut(printed, "\n\n")
	seen := 0
	for line := range strings.Lines(overall) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		expected, known := want[key]
		if !ok || !known {
			continue
		}
		seen++
		if value = strings.Join(strings.Fields(value), " "); value != expected {
			t.Errorf("%s: found %s, btrfs prints %s", key, expected, value)
		}
	}
	if seen != len(want) {
		t.Errorf("only %d of %d values in %s", seen, len(want), overall)
	}
	kinds := map[string]kernel.Space{"Data": u.Data, "Metadata": u.Metadata, "System": u.System}
	if u.Mixed {
		kinds = map[string]kernel.Space{"Data+Metadata": u.Data, "System": u.System}
	}
	for _, m := range regexp.MustCompile(`(?m)^(\S+),\S+: Size:(\d+), Used:(\d+)`).FindAllStringSubmatch(chunks, -1) {
		if s := kinds[m[1]]; fmt.Sprint(s.Total) != m[2] || fmt.Sprint(s.Used) != m[3] {
			t.Errorf("%s: found %+v, btrfs prints %s", m[1], s, m[0])
		}
		delete(kinds, m[1])
	}
	if len(kinds) != 0 {
		t.Errorf("btrfs does not print %v", kinds)
	}
}
