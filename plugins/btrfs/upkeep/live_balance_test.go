package upkeep

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// scattered makes files of 20 MiB, and removes all but every so manyth.
func (r *testRig) scattered(files, keepEvery int) {
	r.T.Helper()
	for i := range files {
		file, err := os.Create(r.FS.Path(fmt.Sprint("file", i)))
		must(r.T, err)
		must(r.T, unix.Fallocate(int(file.Fd()), 0, 0, 20<<20))
		must(r.T, file.Close())
	}
	r.Exec("sync", "-f", r.FS.Mount)
	for i := range files {
		if i%keepEvery != 0 {
			must(r.T, os.Remove(r.FS.Path(fmt.Sprint("file", i))))
		}
	}
	for range 2 { // the space of the files is given back by the second
		r.Exec("sync", "-f", r.FS.Mount)
	}
}

func (r *testRig) usage() UsageOutput {
	r.T.Helper()
	return rig.Outputs[UsageOutput](r.T, r.Plan(r.request("usage", nil)).Outputs)
}

func TestBalance(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30, MkfsArgs: []string{"-L", "server"}})
	r.scattered(34, 5)
	before := r.usage()
	goal := before.Unallocated + 200<<20
	in := rig.Inputs{"goal_unallocated": goal, "goal_ratio": 0}
	q := r.request("balance", in)
	plan := r.Plan(q)
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{"run server"})
	rig.Same(t, "a preview changes nothing", r.usage().Unallocated, before.Unallocated)
	result := r.Apply(q, plan)
	rig.Same(t, "diagnostics", rig.Told(result.Diagnostics), "")
	out, after := rig.Outputs[BalanceOutput](t, result.Outputs), r.usage()
	if !out.GoalMet || out.Relocated == 0 || out.Considered < out.Relocated || out.Unallocated != after.Unallocated ||
		out.Reclaimed != after.Unallocated-before.Unallocated || out.Reclaimed < 200<<20 {
		t.Errorf("%s\n%s", rig.Show(out), rig.Show(after))
	}
	if again := r.Apply(q, plan); len(again.Done) != 0 || string(again.Outputs) != string(result.Outputs) {
		t.Errorf("applied twice: %s", rig.Show(again))
	}
	plan = r.Plan(r.request("balance", in))
	rig.Contains(t, plan.Summary, "the goal is met")
	rig.Same(t, "changes", len(plan.Changes), 0)

	// As far as it goes; then there is nothing more to gain.
	all := rig.Inputs{"goal_ratio": 1, "usage": []int{50, 90}}
	q = r.request("balance", all)
	result = r.Apply(q, r.Plan(q))
	rig.Same(t, "short of the goal", reasons(result.Diagnostics), []string{"warning "})
	end := r.usage()
	if end.DataUsed != before.DataUsed || end.Unallocated < after.Unallocated {
		t.Errorf("%s", rig.Show(end))
	}
	r.Refuses(r.request("balance", rig.Inputs{"usage": []int{5, 100}}), "/usage/1", "100 is not from 0 to 90")
	r.Refuses(r.request("balance", rig.Inputs{"goal_ratio": 0}), "there is no goal")
	r.remount("ro", nil)
	if plan := r.Plan(r.request("balance", in)); len(plan.Changes) != 0 {
		t.Errorf("%s", rig.Show(plan))
	}
}

func TestBalanceReadOnlyAndLimit(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	r.scattered(34, 5)
	r.remount("ro", nil)
	r.Refuses(r.request("balance", rig.Inputs{"goal_ratio": 0.9}), "is read-only: nothing on it can be relocated")
	r.remount("", nil)
	q := r.request("balance", rig.Inputs{"goal_ratio": 0.99, "usage": []int{30}, "limit": 1})
	result := r.Apply(q, r.Plan(q))
	if out := rig.Outputs[BalanceOutput](t, result.Outputs); out.Relocated != 1 || out.Considered < 2 {
		t.Errorf("%s", rig.Show(out))
	}
}

func TestBalanceMixed(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 512 << 20, MkfsArgs: []string{"--mixed"}})
	r.scattered(15, 5)
	q := r.request("balance", rig.Inputs{"goal_ratio": 0.95, "usage": []int{50, 90}, "limit": 1})
	plan := r.Plan(q)
	if len(plan.Changes) == 0 {
		t.Fatalf("nothing to relocate in %s", r.Btrfs("filesystem", "usage", r.FS.Mount))
	}
	result := r.Apply(q, plan)
	if sdk.HasErrors(result.Diagnostics) || rig.Outputs[BalanceOutput](t, result.Outputs).Relocated == 0 {
		t.Errorf("%s", rig.Show(result))
	}
}

func TestBalanceStops(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	r.fill(12, 20<<20)
	for i := range 12 {
		if i%3 != 0 {
			must(t, os.Remove(r.FS.Path(fmt.Sprintf("fill/%d", i))))
		}
	}
	for range 2 {
		r.Exec("sync", "-f", r.FS.Mount)
	}
	q := r.request("balance", rig.Inputs{"goal_ratio": 0.99, "usage": []int{90}})
	plan := r.Plan(q)
	var told sdk.Progress
	result := r.applyUntil(q, plan, func(e sdk.Event) bool {
		p, ok := e.(sdk.Progress)
		if ok {
			told = p
		}
		return ok
	})
	rig.Same(t, "stopped", reasons(result.Diagnostics), []string{"error cancelled"})
	rig.Contains(t, told.Message, "data used less than 90 %")
	// Nothing is left that would go on: the kernel's own tool says so.
	if out, err := exec.Command("btrfs", "balance", "status", r.FS.Mount).CombinedOutput(); err != nil || !strings.Contains(string(out), "No balance found") {
		t.Errorf("%s, %v", out, err)
	}
	rig.Contains(t, string(mustRead(t, r.FS.Path(recordFolder, balanceFile))), `"end": "stopped"`)
	q = r.request("balance", rig.Inputs{"goal_ratio": 0.99, "usage": []int{90}})
	if result := r.Apply(q, r.Plan(q)); sdk.HasErrors(result.Diagnostics) {
		t.Errorf("the next one: %s", rig.Told(result.Diagnostics))
	}
}

// Balances of somebody else: one that runs, and one that is paused.
func TestBalanceOfOthers(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	r.fill(10, 24<<20)
	f := r.open()
	defer f.Close()
	for paused := false; !paused; { // it may be over before
		ended := make(chan error, 1)
		go func() {
			_, err := f.Balance(context.Background(), kernel.Balance{Data: &kernel.BalanceFilter{UsedBelow: 100}}, 1, nil)
			ended <- err
		}()
		for len(ended) == 0 && !paused {
			now, found, err := f.BalanceStatus()
			paused = err == nil && found && now.Running && f.PauseBalance() == nil
		}
		<-ended
		now, found, err := f.BalanceStatus()
		paused = err == nil && found && !now.Running
	}
	must(t, os.Remove(r.FS.Path("fill/3")))
	must(t, os.Remove(r.FS.Path("fill/7")))
	must(t, os.Remove(r.FS.Path("fill/8")))
	must(t, os.Remove(r.FS.Path("fill/9")))
	for range 2 {
		r.Exec("sync", "-f", r.FS.Mount)
	}
	q := r.request("balance", rig.Inputs{"goal_ratio": 0.99, "usage": []int{90}})
	rig.Same(t, "reason", r.refused(q), sdk.Busy)
	r.Refuses(q, "can't be balanced now: a balance is paused", "btrfs balance resume")
	if plan := r.Plan(r.request("scrub", nil)); len(plan.Changes) != 1 { // a paused one is in nobody's way
		t.Errorf("%s", rig.Show(plan))
	}
	must(t, f.CancelBalance())
	plan := r.Plan(q)
	unlock, err := f.LockDir(context.Background(), ".coppice")
	if err != nil { // nobody has made it yet
		must(t, os.Mkdir(r.FS.Path(".coppice"), 0o700))
		unlock, err = f.LockDir(context.Background(), ".coppice")
	}
	must(t, err)
	rig.Same(t, "locked", reasons(r.Apply(q, plan).Diagnostics), []string{"error busy"})
	unlock()
}

// A filesystem without room to move anything.
func TestBalanceNoSpace(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 256 << 20, MkfsArgs: []string{"-m", "dup"}})
	for i := 0; ; i++ {
		file, err := os.Create(r.FS.Path(fmt.Sprint("file", i)))
		if err != nil {
			break
		}
		err = unix.Fallocate(int(file.Fd()), 0, 0, 2<<20)
		file.Close()
		if err != nil {
			break
		}
	}
	r.Exec("sync", "-f", r.FS.Mount)
	plan := r.Plan(r.request("balance", rig.Inputs{"goal_ratio": 0.5, "usage": []int{50, 90}}))
	rig.Same(t, "changes", len(plan.Changes), 0)
	rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "emptying chunks can't make more of it")
}

// An active swap file lies in chunks that can't be moved: they are passed over.
func TestBalanceWithSwap(t *testing.T) {
	r := newRig(t, loopfs.Options{Size: 1 << 30})
	path := r.FS.Path("swap")
	r.Exec("touch", path)
	r.Exec("chattr", "+C", path)
	r.Exec("fallocate", "-l", "20M", path)
	r.Exec("chmod", "600", path)
	r.Exec("mkswap", path)
	if out, err := exec.Command("swapon", path).CombinedOutput(); err != nil {
		need.Missing(t, "swap", fmt.Sprintf("no swap file can be used here: %s", out))
	}
	defer r.Exec("swapoff", path)
	r.scattered(34, 5)
	q := r.request("balance", rig.Inputs{"goal_ratio": 0.99, "usage": []int{90}})
	result := r.Apply(q, r.Plan(q))
	if out := rig.Outputs[BalanceOutput](t, result.Outputs); sdk.HasErrors(result.Diagnostics) || out.Relocated == 0 {
		t.Errorf("%s", rig.Show(result))
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}
