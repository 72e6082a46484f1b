package kernel_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// fill writes files of random bytes, and syncs.
func fill(t *testing.T, loop *loopfs.Filesystem, f *kernel.Filesystem, files, size int) {
	t.Helper()
	for i := range files {
		data := make([]byte, size)
		rand.Read(data)
		must(t, os.WriteFile(loop.Path(fmt.Sprint("fill", i)), data, 0o600))
	}
	must(t, f.Sync())
}

func everything(t *testing.T, f *kernel.Filesystem) []kernel.ScrubPart {
	t.Helper()
	devices, err := f.Devices()
	must(t, err)
	var parts []kernel.ScrubPart
	for _, d := range devices {
		if d.Path != "" {
			parts = append(parts, kernel.ScrubPart{Device: d.ID})
		}
	}
	return parts
}

func scrub(t *testing.T, f *kernel.Filesystem, readOnly bool) (sum kernel.ScrubCounters) {
	t.Helper()
	for _, o := range f.Scrub(t.Context(), everything(t, f), readOnly, time.Second, nil) {
		must(t, o.Err)
		c := o.Counters
		sum.DataBytes += c.DataBytes
		sum.TreeBytes += c.TreeBytes
		sum.ChecksumErrors += c.ChecksumErrors
		sum.VerifyErrors += c.VerifyErrors
		sum.Uncorrectable += c.Uncorrectable
		sum.Corrected += c.Corrected
	}
	return sum
}

// printedScrub is what btrfs says of a scrub of its own.
func printedScrub(t *testing.T, loop *loopfs.Filesystem) map[string]string {
	t.Helper()
	all := map[string]string{}
	out, err := exec.Command("btrfs", "scrub", "start", "-B", "-R", loop.Mount).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "uncorrectable errors") {
		t.Fatalf("%v: %s", err, out)
	}
	for _, m := range regexp.MustCompile(`(\w+): (\d+)`).FindAllStringSubmatch(string(out), -1) {
		all[m[1]] = m[2]
	}
	return all
}

func TestScrubEqualsOracle(t *testing.T) {
	for _, o := range []loopfs.Options{{}, {Devices: 2, MkfsArgs: []string{"-d", "raid1", "-m", "raid1"}}} {
		loop, f := made(t, o)
		fill(t, loop, f, 3, 5<<20)
		got, want := scrub(t, f, false), printedScrub(t, loop)
		if fmt.Sprint(got.DataBytes) != want["data_bytes_scrubbed"] || fmt.Sprint(got.TreeBytes) != want["tree_bytes_scrubbed"] || got.Uncorrectable != 0 {
			t.Errorf("%+v, btrfs prints %v", got, want)
		}
	}
}

// A scrub that is stopped goes on where it was, and does not stop the next one.
func TestScrubStops(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	fill(t, loop, f, 4, 32<<20)
	whole := scrub(t, f, true)
	limit, err := f.ScrubLimit(1)
	must(t, err)
	must(t, f.SetScrubLimit(1, 32<<20))
	ctx, cancel := context.WithCancel(t.Context())
	reports := 0
	outcome := f.Scrub(ctx, everything(t, f), true, 10*time.Millisecond, func(now []kernel.ScrubCounters) {
		if reports++; now[0].DataBytes > 0 && now[0].LastPhysical > 0 {
			if reports == 1 || ctx.Err() == nil {
				second := f.Scrub(t.Context(), everything(t, f), true, time.Second, nil)
				wantErr(t, "a second scrub", second[0].Err, kernel.ErrBusy)
				if _, running, err := f.ScrubProgress(1); !running || err != nil {
					t.Errorf("running: %v, %v", running, err)
				}
			}
			cancel()
		}
	})[0]
	if !errors.Is(outcome.Err, context.Canceled) || outcome.Counters.LastPhysical == 0 || outcome.Counters.DataBytes >= whole.DataBytes {
		t.Errorf("stopped: %+v", outcome)
	}
	if _, running, err := f.ScrubProgress(1); running || err != nil {
		t.Errorf("after it: running: %v, %v", running, err)
	}
	must(t, f.SetScrubLimit(1, limit))
	rest := f.Scrub(t.Context(), []kernel.ScrubPart{{Device: 1, Start: outcome.Counters.LastPhysical}}, true, time.Second, nil)[0]
	must(t, rest.Err)
	if rest.Counters.DataBytes == 0 || rest.Counters.DataBytes+outcome.Counters.DataBytes < whole.DataBytes {
		t.Errorf("%d and then %d bytes of %d", outcome.Counters.DataBytes, rest.Counters.DataBytes, whole.DataBytes)
	}
	for i := range 6 { // a cancel that comes late would stop the second one
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(3*i)*time.Millisecond)
		f.Scrub(ctx, everything(t, f), true, time.Second, nil)
		cancel()
		if c := f.Scrub(t.Context(), everything(t, f), true, time.Second, nil)[0]; c.Err != nil || c.Counters.DataBytes != whole.DataBytes {
			t.Errorf("after one that was stopped: %+v", c)
		}
	}
}

func TestScrubStoppedByOthers(t *testing.T) {
	loop, f := made(t, loopfs.Options{})
	fill(t, loop, f, 4, 32<<20)
	must(t, f.SetScrubLimit(1, 16<<20))
	other := open(t, loop.Mount)
	outcome := f.Scrub(t.Context(), everything(t, f), true, 10*time.Millisecond, func(now []kernel.ScrubCounters) {
		must(t, other.CancelScrub())
	})[0]
	wantErr(t, "stopped", outcome.Err, kernel.ErrCancelled)
	wantErr(t, "no such device", f.Scrub(t.Context(), []kernel.ScrubPart{{Device: 7}}, true, time.Second, nil)[0].Err, kernel.ErrNotFound)
}

// Bits that flipped: what has a copy comes back, what has none is told; and btrfs counts the same.
func TestScrubRepairs(t *testing.T) {
	marker := []byte("a marker that stands nowhere else, 4711")
	cases := []struct {
		name    string
		o       loopfs.Options
		content []byte
		spare   bool // the first half of the places
		lost    bool
	}{
		{"RAID1 data", loopfs.Options{Devices: 2, MkfsArgs: []string{"-d", "raid1", "-m", "raid1"}}, append(make([]byte, 8192), marker...), false, false},
		{"single data", loopfs.Options{MkfsArgs: []string{"-d", "single"}}, append(make([]byte, 8192), marker...), false, true},
		{"DUP metadata", loopfs.Options{MkfsArgs: []string{"-m", "dup"}}, marker, true, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.o.Size = 256 << 20
			loop := loopfs.ForTest(t, c.o)
			must(t, os.WriteFile(loop.Path("file"), c.content, 0o600))
			must(t, loop.Unmount())
			spare := 0
			if c.spare { // the first copies lie before the second ones
				spare = half(t, loop, marker)
			}
			if n, err := loop.Damage(len(loop.Image)-1, marker, spare); err != nil || n == 0 {
				t.Fatalf("%d places damaged, %v", n, err)
			}
			must(t, loop.MountAgain(""))
			f := open(t, loop.Mount)
			ro := scrub(t, f, true)
			got := scrub(t, f, false)
			if (got.Uncorrectable > 0) != c.lost || (got.Corrected > 0) == c.lost || ro.Uncorrectable != got.Uncorrectable || ro.Corrected != got.Corrected {
				t.Errorf("read-only: %+v, then: %+v", ro, got)
			}
			again, printed := scrub(t, f, false), printedScrub(t, loop)
			if (again.Uncorrectable > 0) != c.lost || again.Corrected != 0 || fmt.Sprint(again.Uncorrectable) != printed["uncorrectable_errors"] {
				t.Errorf("again: %+v, btrfs prints %v", again, printed)
			}
			var sum kernel.DeviceErrors
			stats := btrfs(t, "device", "stats", loop.Mount)
			for _, p := range everything(t, f) {
				e, err := f.DeviceErrors(p.Device)
				must(t, err)
				sum.Corruption += e.Corruption
				if e.Corruption > 0 && !strings.Contains(stats, fmt.Sprintf("corruption_errs  %d\n", e.Corruption)) {
					t.Errorf("%+v, btrfs prints %s", e, stats)
				}
				must(t, f.ResetDeviceErrors(p.Device))
				if e, err := f.DeviceErrors(p.Device); err != nil || e != (kernel.DeviceErrors{}) {
					t.Errorf("after the reset: %+v, %v", e, err)
				}
			}
			if sum.Corruption == 0 && c.name != "DUP metadata" { // which the kernel does not count
				t.Error("no corruption was counted")
			}
		})
	}
}

// half is half of the number of places where the marker stands.
func half(t *testing.T, loop *loopfs.Filesystem, marker []byte) int {
	t.Helper()
	data, err := os.ReadFile(loop.Image[0])
	must(t, err)
	return strings.Count(string(data), string(marker)) / 2
}
