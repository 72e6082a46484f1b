package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// scattered is a filesystem whose data chunks are used in part: of many files, most are gone again.
func scattered(t *testing.T, files, keepEvery int) (*loopfs.Filesystem, *kernel.Filesystem) {
	t.Helper()
	loop, f := made(t, loopfs.Options{Size: 1 << 30})
	for i := range files {
		file, err := os.Create(loop.Path(fmt.Sprint("file", i)))
		must(t, err)
		must(t, unix.Fallocate(int(file.Fd()), 0, 0, 20<<20))
		must(t, file.Close())
	}
	must(t, f.Sync())
	for i := range files {
		if i%keepEvery != 0 {
			must(t, os.Remove(loop.Path(fmt.Sprint("file", i))))
		}
	}
	must(t, f.Sync())
	must(t, f.Sync()) // the space of the files is given back by then
	return loop, f
}

func TestBlockGroups(t *testing.T) {
	loop, f := scattered(t, 30, 4)
	compareUsage(t, loop, f)
	groups, err := f.BlockGroups()
	must(t, err)
	u, err := f.Usage()
	must(t, err)
	var data, metadata kernel.Space
	var raw uint64
	below := map[uint8]int{}
	for _, g := range groups {
		raw += g.Length * g.Copies
		switch {
		case g.Data:
			data.Total += g.Length
			data.Used += g.Used
			for _, percent := range []uint8{30, 60, 90} {
				if g.Used < g.Length*uint64(percent)/100 {
					below[percent]++
				}
			}
		case g.Metadata:
			metadata.Total += g.Length
		}
	}
	if data != u.Data || metadata.Total != u.Metadata.Total || raw != u.DeviceAllocated {
		t.Errorf("data %+v, metadata %+v, %d raw; usage: %+v", data, metadata, raw, u)
	}
	// The kernel means the same chunks.
	for percent, want := range below {
		p := kernel.BalanceProgress{}
		end := groups[0].Start // none begins before it
		p, err = f.Balance(t.Context(), kernel.Balance{Data: &kernel.BalanceFilter{UsedBelow: percent, Before: end}}, time.Second, nil)
		if err != nil || p.Expected != 0 {
			t.Errorf("before all: %+v, %v", p, err)
		}
		t.Logf("%d chunks are used less than %d %%", want, percent)
	}
	p, err := f.Balance(t.Context(), kernel.Balance{Data: &kernel.BalanceFilter{UsedBelow: 60, Limit: 1}}, time.Second, nil)
	if err != nil || p.Relocated != 1 {
		t.Errorf("one: %v, %v", p, err)
	}
	p, err = f.Balance(t.Context(), kernel.Balance{Data: &kernel.BalanceFilter{UsedBelow: 60, Before: groups[len(groups)-1].Start + 1}}, time.Second, nil)
	if err != nil || int(p.Expected) != below[60]-1 || p.Relocated == 0 { // some get full while others are emptied
		t.Errorf("the others: %v, %v; expected %d", p, err, below[60]-1)
	}
	after, err := f.Usage()
	must(t, err)
	if after.DeviceUnallocated <= u.DeviceUnallocated {
		t.Errorf("unallocated before %d, after %d", u.DeviceUnallocated, after.DeviceUnallocated)
	}
	if err := exec.Command("btrfs", "balance", "status", loop.Mount).Run(); err != nil {
		t.Errorf("btrfs sees a balance: %v", err)
	}
}

// running calls f when a balance is under way; data must be much.
func whileBalancing(t *testing.T, f *kernel.Filesystem, ctx context.Context, each func()) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := f.Balance(ctx, kernel.Balance{Data: &kernel.BalanceFilter{UsedBelow: 100}}, time.Millisecond, nil)
		ended <- err
	}()
	for {
		select {
		case err := <-ended:
			return err
		default:
		}
		if now, found, err := f.BalanceStatus(); err == nil && found && now.Running {
			each()
			return <-ended
		}
	}
}

func TestBalanceOfOthers(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 1 << 30})
	fill(t, loop, f, 9, 24<<20)
	must(t, os.Remove(loop.Path("fill3")))
	must(t, os.Remove(loop.Path("fill7")))
	must(t, f.Sync())
	one := kernel.Balance{Data: &kernel.BalanceFilter{UsedBelow: 100, Limit: 1}}

	var err error
	for paused := false; !paused; { // it may be over before
		err = whileBalancing(t, f, t.Context(), func() {
			if what, err := f.ExclusiveOperation(); err != nil || what != "balance" {
				t.Logf("exclusive operation: %q, %v", what, err)
			}
			if _, err := f.Balance(t.Context(), one, time.Second, nil); err != nil {
				wantErr(t, "a second one", err, kernel.ErrBusy)
			}
			paused = f.PauseBalance() == nil
		})
		paused = paused && err != nil
	}
	wantErr(t, "paused", err, kernel.ErrCancelled)
	if !strings.Contains(err.Error(), "paused") {
		t.Error(err)
	}
	if what, err := f.ExclusiveOperation(); err != nil || what != "balance paused" {
		t.Errorf("exclusive operation: %q, %v", what, err)
	}
	if now, found, err := f.BalanceStatus(); err != nil || !found || now.Running {
		t.Errorf("%+v, %v, %v", now, found, err)
	}
	_, err = f.Balance(t.Context(), one, time.Second, nil)
	wantErr(t, "beside a paused one", err, kernel.ErrBusy)
	if !strings.Contains(err.Error(), "paused") {
		t.Error(err)
	}
	if _, err := f.ResumeBalance(t.Context(), time.Second, nil); err != nil {
		t.Errorf("resumed: %v", err)
	}
	wantErr(t, "cancelling none", f.CancelBalance(), kernel.ErrNotFound)
	_, err = f.ResumeBalance(t.Context(), time.Second, nil)
	wantErr(t, "resuming none", err, kernel.ErrNotFound)

	for range 5 { // a cancel that comes late would stop the one behind it
		ctx, cancel := context.WithCancel(t.Context())
		if err := whileBalancing(t, f, ctx, cancel); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		cancel()
		if _, found, err := f.BalanceStatus(); found || err != nil {
			t.Errorf("a balance is left: %v, %v", found, err)
		}
		if _, err := f.Balance(t.Context(), one, time.Second, nil); err != nil {
			t.Errorf("the next one: %v", err)
		}
	}
	_, err = f.Balance(t.Context(), kernel.Balance{}, time.Second, nil)
	wantErr(t, "nothing", err, kernel.ErrInvalid)
}

// The kernel refuses with a positive number and no errno.
func TestBalanceDuringDeviceRemove(t *testing.T) {
	loop, f := made(t, loopfs.Options{Size: 1 << 30, Devices: 2, MkfsArgs: []string{"-d", "single", "-m", "raid1"}})
	fill(t, loop, f, 6, 30<<20)
	btrfs(t, "balance", "start", "-mconvert=single", "-sconvert=single", "-f", loop.Mount)
	c := exec.Command("btrfs", "device", "remove", loop.Loop[1], loop.Mount)
	must(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		what, err := f.ExclusiveOperation()
		must(t, err)
		if what == "device remove" {
			_, err := f.Balance(t.Context(), kernel.Balance{Data: &kernel.BalanceFilter{UsedBelow: 90, Limit: 1}}, time.Second, nil)
			if err == nil {
				t.Log("it was over by then")
				break
			}
			wantErr(t, "balance", err, kernel.ErrBusy)
			if !strings.Contains(err.Error(), "device remove") {
				t.Logf("not named any more: %v", err)
			}
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it was never seen: %v", err)
		default:
		}
	}
	must(t, <-ended)
}
