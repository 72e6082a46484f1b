package boot

import (
	"fmt"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

// at sets the instant of the next run.
func (r *testRig) at(t time.Time) { r.Instants[r.n+1] = t }

func (r *testRig) expired(in rig.Inputs) ExpiredOutput {
	r.T.Helper()
	return rig.Outputs[ExpiredOutput](r.T, r.Plan(r.request("boot_expired", in)).Outputs)
}

func (r *testRig) status(in rig.Inputs) StatusOutput {
	r.T.Helper()
	return rig.Outputs[StatusOutput](r.T, r.Plan(r.request("boot_status", in)).Outputs)
}

func (r *testRig) confirm() {
	r.T.Helper()
	r.Run(r.request("boot_confirm", nil))
}

// A few boots, confirmed and not: what falls back, what is kept, and what has had its day.
func TestFallBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	start := time.Now().Add(-100 * 24 * time.Hour).UTC()
	r.Create("root")
	mark := func(text string) {
		r.Write("root/mark", text)
		r.sync()
	}
	mark("zero")
	r.at(start)
	r.rollback(1, nil)
	mark("one")
	r.sh("btrfs -q subvolume create root/inner; echo in >root/inner/mark")
	r.at(start.Add(time.Hour))
	r.confirm()
	good := r.UUIDOf("root")
	if p := r.Plan(r.request("boot_confirm", nil)); len(p.Changes) != 0 || len(p.Kept) != 1 {
		t.Errorf("confirmed twice: %s", rig.Show(p))
	}
	for n := 2; n < 5; n++ {
		r.at(start.Add(time.Duration(n) * 24 * time.Hour))
		if out := r.rollback(n, nil); out.Result != rolledBack {
			t.Fatalf("boot %d: %s", n, rig.Show(out))
		}
		mark(fmt.Sprint("bad ", n))
	}
	if s := r.status(nil); s.Next != fellBack || s.Unconfirmed != 3 || len(s.Archives) != 4 || s.Confirmed || !s.Archives[2].Confirmed {
		t.Errorf("%s", rig.Show(s))
	}
	out := r.rollback(5, nil)
	if out.Result != fellBack || r.read("root/mark") != "one" || r.read("root/inner/mark") != "in\n" || r.UUIDOf("root") == good {
		t.Fatalf("%s", rig.Show(out))
	}
	r.Write("root/inner/new", "writable")
	rig.Same(t, "marks", r.marks(), []string{"bad 2", "bad 3", "bad 4", "one", "one", "zero"})
	if out := r.rollback(6, nil); out.Result != skipped || r.read("root/mark") != "one" {
		t.Errorf("off: %s", rig.Show(out))
	}
	if e := r.expired(nil); len(e.Subvolumes) != 0 || e.Why == "" {
		t.Errorf("not confirmed: %s", rig.Show(e))
	}
	r.confirm()
	if s := r.status(nil); s.Next != rolledBack || s.Off != "" || !s.Confirmed {
		t.Errorf("%s", rig.Show(s))
	}
	// Now the first good one is not the last confirmed root any more, but it has a subvolume in it. The newest three stay.
	e := r.expired(nil)
	if len(e.Subvolumes) != 1 || len(e.Archives) != 5 {
		t.Errorf("%s", rig.Show(e))
	}
	e = r.expired(rig.Inputs{"nested": []string{"inner"}, "keep_at_least": 1})
	if len(e.Subvolumes) != 5 {
		t.Errorf("%s", rig.Show(e))
	}
	e = r.expired(rig.Inputs{"keep_at_least": 1, "retention": "97d"})
	if len(e.Subvolumes) != 2 {
		t.Errorf("%s", rig.Show(e))
	}
}

// A clock that can't be believed counts from the first one that can.
func TestTidy(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.Create("root")
	h := r.Host
	h.Clock = func() (string, error) { return "the clock is wrong", nil }
	r.m.Host = h
	r.Use(h, actionsOn(r.m.root))
	r.at(time.Now().Add(-1000 * 24 * time.Hour))
	r.rollback(1, nil)
	r.confirm()
	tidy := func() TidyOutput {
		_, result := r.Run(r.request("boot_tidy", nil))
		return rig.Outputs[TidyOutput](t, result.Outputs)
	}
	if e := r.expired(rig.Inputs{"keep_at_least": 0}); len(e.Subvolumes) != 0 {
		t.Errorf("%s", rig.Show(e))
	}
	if out := tidy(); out != (TidyOutput{}) {
		t.Errorf("%+v", out)
	}
	r.Use(r.Host, actionsOn(r.m.root))
	if e := r.expired(rig.Inputs{"keep_at_least": 0}); len(e.Subvolumes) != 0 {
		t.Errorf("%s", rig.Show(e))
	}
	if out := tidy(); out != (TidyOutput{Dated: 1}) {
		t.Errorf("%+v", out)
	}
	if out := tidy(); out != (TidyOutput{}) {
		t.Errorf("again: %+v", out)
	}
	if e := r.expired(rig.Inputs{"keep_at_least": 0, "retention": "1ms"}); len(e.Subvolumes) != 1 {
		t.Errorf("%s", rig.Show(e))
	}
	r.sh("btrfs -q subvolume delete old_roots/*")
	r.sync()
	if out := tidy(); out != (TidyOutput{Forgotten: 1}) {
		t.Errorf("%+v", out)
	}
}
