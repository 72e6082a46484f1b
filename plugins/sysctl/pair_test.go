package sysctl

import (
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// A pair for real, and put back: how much may be promised is not looked at while vm.overcommit_memory is 0, so that nobody
// on this machine notices.
func TestPairForReal(t *testing.T) {
	r := newRig(t)
	if r.sysctl("vm.overcommit_memory") != "0" || r.sysctl("vm.overcommit_kbytes") != "0" {
		need.Missing(t, "sysctl", "needs the kernel's own settings of vm.overcommit_* and vm.dirty_*")
	}
	ratio := r.sysctl("vm.overcommit_ratio")
	state := func() string { return r.sysctl("vm.overcommit_ratio") + " " + r.sysctl("vm.overcommit_kbytes") }
	t.Cleanup(func() {
		if r.sysctl("vm.overcommit_ratio") != ratio {
			r.exec("sysctl", "-q", "vm.overcommit_ratio="+ratio)
		}
	})
	bytes := inputs{"values": values{"vm.overcommit_kbytes": 4 << 20}}
	share := inputs{"values": values{"vm.overcommit_ratio": ratio, "vm.overcommit_kbytes": 0}}

	p, _ := r.converges("set", bytes)
	equal(t, "both", state(), "0 4194304")
	contains(t, told(p), `update vm.overcommit_ratio: {"value":"`+ratio+`"} → {"value":"0"} # setting vm.overcommit_kbytes sets it too`)
	// What comes behind it is refused: the one that counted is put back, which makes the other one 0.
	refused := func(v values, want string) {
		t.Helper()
		v["vm.stat_interval"] = "x"
		q := r.request("set", inputs{"values": v})
		p := r.plan(q)
		result := r.apply(q, p)
		contains(t, diagnostics(result.Diagnostics), `the kernel refuses "x" for vm.stat_interval`)
		if len(p.Changes) != 3 || len(result.Done) > 0 {
			t.Error(told(p), diagnostics(result.Diagnostics))
		}
		equal(t, "both", state(), want)
	}
	refused(values{"vm.overcommit_ratio": ratio}, "0 4194304")
	r.converges("set", share)
	equal(t, "both", state(), ratio+" 0")
	refused(values{"vm.overcommit_kbytes": 4 << 20}, ratio+" 0")
}
