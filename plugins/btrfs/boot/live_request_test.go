package boot

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

func (r *testRig) ask(request string, in rig.Inputs) RequestOutput {
	r.T.Helper()
	all := rig.Inputs{"request": request}
	for k, v := range in {
		all[k] = v
	}
	_, result := r.Run(r.request("boot_request", all))
	return rig.Outputs[RequestOutput](r.T, result.Outputs)
}

func TestRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.Write("root/mark", "one")
	r.sh("btrfs -q subvolume create root/inner; btrfs -q subvolume create root/inner/most; echo in >root/inner/most/mark; btrfs property set root/inner ro true")
	r.rollback(1, nil)
	r.Write("root/mark", "two")
	r.sync()
	first := r.archives()[0]

	r.ask("skip-next", nil)
	if s := r.status(nil); s.Next != skipped || len(s.Requests) != 1 {
		t.Errorf("%s", rig.Show(s))
	}
	if out := r.rollback(2, nil); out.Result != skipped {
		t.Errorf("%s", rig.Show(out))
	}
	if out := r.rollback(2, nil); out.Result != already { // the initrd may start its units again
		t.Errorf("%s", rig.Show(out))
	}

	// A copy of an archive, for one boot, with what lies in it.
	out := r.ask("use", rig.Inputs{"from": first, "once": true})
	if s := r.status(nil); s.Next != usedOnce || !strings.HasPrefix(out.Staged, "old_roots/root-staged-") {
		t.Errorf("%s", rig.Show(s))
	}
	id := r.UUIDOf(out.Staged)
	done := r.rollback(3, nil)
	if done.Result != usedOnce || r.UUIDOf("root") != id || done.UUID != id || r.read("root/mark") != "one" || r.read("root/inner/most/mark") != "in\n" {
		t.Fatalf("%s", rig.Show(done))
	}
	if _, err := os.Create(r.FS.Path("root/inner/x")); err == nil {
		t.Error("what was read-only is writable")
	}
	if done := r.rollback(4, nil); done.Result != rolledBack || r.UUIDOf(done.Archived[0].Path) != id {
		t.Errorf("%s", rig.Show(done))
	}
	rig.Same(t, "marks", r.marks(), []string{"one", "one", "two"})

	// To stay.
	r.ask("use", rig.Inputs{"from": "old_roots/" + first})
	if done := r.rollback(5, nil); done.Result != used {
		t.Errorf("%s", rig.Show(done))
	}
	if done := r.rollback(6, nil); done.Result != skipped {
		t.Errorf("%s", rig.Show(done))
	}
	r.confirm()
	if s := r.status(nil); s.Next != skipped || s.Off == "" {
		t.Errorf("a confirmed boot does not switch it on: %s", rig.Show(s))
	}
	r.ask("on", nil)
	if s := r.status(nil); s.Next != rolledBack {
		t.Errorf("%s", rig.Show(s))
	}
	r.ask("off", rig.Inputs{"why": "for a while"})
	if done := r.rollback(7, nil); done.Result != skipped || done.Why != "for a while" {
		t.Errorf("%s", rig.Show(done))
	}
	r.ask("on", nil)

	// Taken back: the copy has had its day, when nobody has written to it. Until then it stays.
	r.boot(6)
	out = r.ask("use", rig.Inputs{"from": first})
	gone := func() bool {
		return slices.Contains(r.expired(rig.Inputs{"nested": []string{"inner", "inner/most"}}).Subvolumes, r.UUIDOf(out.Staged))
	}
	if gone() {
		t.Error("what was asked for would be deleted")
	}
	r.ask("cancel", nil)
	if !gone() {
		t.Errorf("what nobody wants stays: %s", rig.Show(r.expired(nil)))
	}
	r.Refuses(r.request("boot_request", rig.Inputs{"request": "use", "from": "root"}), "is the root already")
	r.Refuses(r.request("boot_request", rig.Inputs{"request": "use", "from": "x"}), "there is no subvolume")
	r.Refuses(r.request("boot_request", rig.Inputs{"request": "use"}), "say which archive")
}

func TestDiffAndRebase(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	r.sh(`mkdir -p root/etc/ssh root/usr/lib/modules/6.18.0 root/sbin; echo key >root/etc/ssh/ssh_host_ed25519_key; echo id >root/etc/machine-id; touch root/sbin/init; btrfs -q subvolume create root/data`)
	diff := func(in rig.Inputs) LossOutput {
		return rig.Outputs[LossOutput](t, r.Plan(r.request("boot_diff", in)).Outputs)
	}
	d := diff(nil)
	rig.Same(t, "identity", d.Identity, []string{"etc/machine-id", "etc/ssh/ssh_host_ed25519_key"})
	rig.Same(t, "nested", d.Nested, []string{"data"})
	if d.Count != 4 || d.Losses[1].Contains != 3 {
		t.Errorf("%s", rig.Show(d))
	}
	r.ask("acknowledge", rig.Inputs{"acknowledge": []string{"/etc/machine-id", "etc/ssh"}})
	if d := diff(rig.Inputs{"nested": []string{"data"}}); len(d.Identity)+len(d.Nested) != 0 {
		t.Errorf("%s", rig.Show(d))
	}
	r.refuses(1, nil, "would not start", "coppice boot rebase")

	rebase := func() RebaseOutput {
		_, result := r.Run(r.request("boot_rebase", rig.Inputs{"blank": "blank"}))
		return rig.Outputs[RebaseOutput](t, result.Outputs)
	}
	if out := rebase(); out.UUID != r.UUIDOf("blank") || out.Kept != "" {
		t.Errorf("%s", rig.Show(out))
	}
	r.Write("root/etc/new", "x")
	r.sync()
	d = diff(rig.Inputs{"blank": "blank"})
	if d.Count == 0 || len(d.Identity) != 0 || d.Losses[len(d.Losses)-1].Path != "etc/new" {
		t.Errorf("%s", rig.Show(d))
	}
	old := r.UUIDOf("blank")
	if out := rebase(); out.UUID != r.UUIDOf("blank") || out.UUID == old || r.UUIDOf(out.Kept) != old {
		t.Errorf("%s", rig.Show(out))
	}
	if out := r.rollback(1, rig.Inputs{"blank": "blank"}); out.Result != rolledBack || r.read("root/etc/new") != "x" {
		t.Errorf("%s", rig.Show(out))
	}
	r.Write("root/etc/after", "writable")
	r.put("proc/sys/kernel/osrelease", "6.19.0")
	r.Refuses(r.request("boot_rebase", rig.Inputs{"blank": "blank"}), "no modules of the running kernel 6.19.0")
}
