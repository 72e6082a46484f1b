package upkeep

import (
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

func TestCheckStages(t *testing.T) {
	for _, good := range [][]int{{0}, {5, 10}, {0, 5, 90}} {
		if err := checkStages(good); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range [][]int{{100}, {-1}, {5, 91}, {10, 5}, {5, 5}} {
		if err := checkStages(bad); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestPlanBalance(t *testing.T) {
	const gib = 1 << 30
	data := func(start, used uint64) kernel.BlockGroup {
		return kernel.BlockGroup{Start: start, Length: gib, Used: used, Data: true, Copies: 1}
	}
	facts := balanceFacts{named: named{id: "u", label: "server"}, size: 10 * gib, unallocated: gib / 2, groups: []kernel.BlockGroup{
		data(0, gib), data(gib, gib/20), data(2*gib, gib/4), {Start: 3 * gib, Length: gib, Used: 1, Metadata: true, Copies: 2},
	}}
	in := BalanceInput{GoalRatio: 0.1, Usage: []int{5, 10, 30}}
	plan := func(facts balanceFacts, in BalanceInput) (sdk.Planned[BalanceOutput, balancePrivate], error) {
		return planBalance(facts, in, time.Unix(0, 0), false)
	}
	p, err := plan(facts, in)
	if err != nil || len(p.Changes) != 1 {
		t.Fatalf("%s, %v", rig.Show(p), err)
	}
	rig.Same(t, "change", p.Changes[0].Summary+"; "+p.Changes[0].Reason,
		"empty chunks of data that are used less than 5, 10, 30 %, until 1GiB are unallocated; 512MiB of 10GiB are unallocated; 2 chunks to empty")
	in.Metadata = true
	if p, _ = plan(facts, in); len(p.Private.Stages) != 6 || p.Changes[0].Reason != "512MiB of 10GiB are unallocated; 2 chunks to empty" {
		t.Errorf("with metadata, which has nowhere to go: %s", rig.Show(p))
	}
	in.Metadata = false
	met := facts
	met.unallocated = gib
	if p, err = plan(met, in); err != nil || len(p.Changes) != 0 || !p.Outputs.GoalMet || p.Outputs.Due {
		t.Errorf("the goal is met: %s, %v", rig.Show(p), err)
	}
	full := facts
	full.groups = []kernel.BlockGroup{data(0, gib), data(gib, gib/20)}
	if p, err = plan(full, in); err != nil || len(p.Changes) != 0 || p.Outputs.Due || len(p.Diagnostics) != 1 {
		t.Errorf("a single one with room: %s, %v", rig.Show(p), err)
	}
	for _, c := range []func(*balanceFacts){
		func(f *balanceFacts) { f.exclusive = "balance paused" }, func(f *balanceFacts) { f.exclusive = "device remove" },
		func(f *balanceFacts) { f.scrubbed = true }, func(f *balanceFacts) { f.readOnly = true },
	} {
		bad := facts
		c(&bad)
		if p, err := plan(bad, in); err == nil {
			t.Errorf("planned: %s", rig.Show(p))
		} else {
			t.Log(err)
		}
		bad.unallocated = gib // then nobody needs to know
		if _, err := plan(bad, in); err != nil {
			t.Error(err)
		}
	}
	if _, err := plan(facts, BalanceInput{Usage: []int{5}}); err == nil {
		t.Error("planned without a goal")
	}
}
