package sysctl

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// What is set is what sysctl prints, for all kinds of values and names.
func TestSet(t *testing.T) {
	r := newRig(t)
	r.exec("ip", "link", "add", "name", "co.100", "type", "veth", "peer", "name", "co1")
	p, _ := r.converges("set", inputs{"values": values{
		"net.ipv4.tcp_rmem":                 []int{4096, 65536, 1048576},
		"net/ipv4/conf/co.100/rp_filter":    1,
		"net.ipv4.conf.co/100.log_martians": "1",
		"net.ipv4.ip_local_port_range":      "20000\t30000",
		"net.ipv4.tcp_congestion_control":   "reno",
		"kernel.domainname":                 "example.org",
		"kernel.msgmax":                     16384,
		"net.ipv4.ip_local_reserved_ports":  "8080-8081",
	}, "drop_in": "60-coppice.conf"})
	for key, want := range map[string]string{
		"net.ipv4.tcp_rmem": "4096 65536 1048576", "net.ipv4.conf.co/100.rp_filter": "1", "net/ipv4/conf/co.100/log_martians": "1",
		"net.ipv4.ip_local_port_range": "20000 30000", "net.ipv4.tcp_congestion_control": "reno", "kernel.domainname": "example.org",
		"kernel.msgmax": "16384", "net.ipv4.ip_local_reserved_ports": "8080-8081",
	} {
		equal(t, key, r.sysctl(key), want)
	}
	contains(t, told(p), `update net.ipv4.conf.co/100.rp_filter: {"value":"0"} → {"value":"1"}`, "create "+r.host.folders[0])
	r.converges("set", inputs{"values": values{"net.ipv4.ip_local_reserved_ports": ""}})
	equal(t, "empty", r.sysctl("net.ipv4.ip_local_reserved_ports"), "")
	text, err := os.ReadFile(filepath.Join(r.host.folders[0], "60-coppice.conf"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(text), "net.ipv4.conf.co/100.rp_filter = 1\n", "net.ipv4.tcp_rmem = 4096 65536 1048576\n", "kernel.domainname = example.org\n")
}

func TestSetRefused(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		values values
		want   []string
	}{
		{values{}, []string{"there is nothing to set"}},
		{values{"vm.dirty_background_ratio": 8192}, []string{"/values/vm.dirty_background_ratio", "takes a whole number from 0 to 100, found 8192", "an amount is given with vm.dirty_background_bytes", "vm.rst"}},
		{values{"vm.dirty_ratio": 160}, []string{"takes a whole number from 0 to 100, found 160"}},
		{values{"vm.swappiness": "much"}, []string{`takes a whole number from 0 to 200, found "much"`}},
		{values{"vm.swappiness": 1.5}, []string{`found "1.5"`}},
		{values{"vm.swappiness": "010"}, []string{`found "010"`}},
		{values{"vm.swappiness": true}, []string{"write 1 or 0"}},
		{values{"vm.swappiness": nil}, []string{"must be a number, text or a list"}},
		{values{"vm.swappiness": "1\n2"}, []string{"it has one line"}},
		{values{"vm.dirty_bytes": "256MiB"}, []string{`a size is written ${{ size("256MiB") }}`}},
		{values{"vm.dirty_bytes": 0, "vm.dirty_ratio": 0}, []string{`"vm.dirty_bytes" can't be set to 0`, "set vm.dirty_ratio"}},
		{values{"vm.dirty_bytes": 1 << 28, "vm.dirty_ratio": 20}, []string{"exclude each other"}},
		{values{"vm.overcommit_kbytes": 1 << 20, "vm.overcommit_ratio": 20}, []string{"exclude each other"}},
		{values{"net.ipv4.tcp_rmem": "4096 8192"}, []string{"3 times a whole number"}},
		{values{"net.ipv4.tcp_fin_timeout": "0x10"}, []string{"in decimal"}},
		{values{"vm.swapiness": 1}, []string{`the kernel has no "vm.swapiness"`, "did you mean vm.swappiness?"}},
		{values{"mv.swappiness": 1}, []string{"did you mean vm.swappiness?"}},
		{values{"net.ipv4.conf.1o.forwarding": 1}, []string{"did you mean net.ipv4.conf.lo.forwarding?"}},
		{values{"net.sctp.rto_max": 1}, []string{"modprobe sctp"}},
		{values{"net.ipv4.conf.*.rp_filter": 1}, []string{"is a pattern", "net.ipv4.conf.all.rp_filter, net.ipv4.conf.default.rp_filter, net.ipv4.conf.lo.rp_filter"}},
		{values{"-net.ipv4.conf.*.rp_filter": 1}, []string{"is a pattern"}},
		{values{"net.ipv4.conf": 1}, []string{"is no parameter of the kernel but a folder"}},
		{values{"kernel.osrelease": "7"}, []string{"can only be read"}},
		{values{"vm.drop_caches": 3}, []string{"has no value: writing to it does something once"}},
		{values{"vm/swappiness": 1, "vm.swappiness": 1}, []string{"are the same key"}},
		{values{"vm/../vm/swappiness": 1}, []string{"dots alone"}},
		{values{"vm//swappiness": 1}, []string{"a part of it is empty"}},
		{values{"vm./swappiness": 1}, []string{`has no "vm./swappiness"`, "did you mean vm.swappiness?"}},
		{values{"../../etc/passwd": "x"}, []string{"is no key"}},
		{values{"/proc/sys/vm/swappiness": 1}, []string{"write the key, vm.swappiness"}},
		{values{"vm.swappiness=1": 1}, []string{"behind a colon"}},
		{values{"swappiness": 1}, []string{"one has parts"}},
		{values{"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.forwarding": 0}, []string{"are set together"}},
	} {
		r.refuses(inputs{"values": c.values}, c.want...)
	}
	r.refuses(inputs{"values": values{"vm.swappiness": 1}, "running": false}, "there must be a drop_in")
	r.refuses(inputs{"values": values{"vm.swappiness": 1}, "drop_in": "../x.conf"}, "/drop_in", "does not match")
	// All mistakes at once.
	r.refuses(inputs{"values": values{"vm.swappiness": 300, "vm.dirty_ratio": 160, "vm.nothing": 1}}, "found 300", "found 160", `no "vm.nothing"`)
	before := r.sysctl("vm.swappiness")
	p := r.plan(r.request("set", inputs{"values": values{"-vm.nothing": 1, "-kernel.osrelease": "x"}}))
	contains(t, told(p), `warning [] /values/-vm.nothing: the kernel has no "vm.nothing"`, "warning [] /values/-kernel.osrelease")
	equal(t, "swappiness", r.sysctl("vm.swappiness"), before)
}

// The seed's pairs, which are planned and not made: they belong to the whole machine.
func TestPairs(t *testing.T) {
	r := newRig(t)
	if r.sysctl("vm.dirty_bytes") != "0" || r.sysctl("vm.dirty_background_bytes") != "0" || r.sysctl("vm.overcommit_kbytes") != "0" {
		need.Missing(t, "sysctl", "needs the kernel's own settings of vm.overcommit_* and vm.dirty_*")
	}
	p := r.plan(r.request("set", inputs{"values": values{"vm.dirty_bytes": 1 << 28, "vm.dirty_ratio": 0, "vm.dirty_background_bytes": 1 << 29}}))
	contains(t, told(p), `update vm.dirty_bytes: {"value":"0"} → {"value":"268435456"}`, `→ {"value":"0"} # setting vm.dirty_bytes sets it too`,
		"update vm.dirty_background_ratio", "is 536870912 and so not below vm.dirty_bytes, which is 268435456: the kernel takes half of that")
	if len(p.Changes) != 4 {
		t.Errorf("%d changes:\n%s", len(p.Changes), told(p))
	}
	p = r.plan(r.request("set", inputs{"values": values{"vm.dirty_ratio": 5}}))
	contains(t, told(p), "vm.dirty_background_ratio is 10 and so not below vm.dirty_ratio, which is 5")
	later := r.plan(r.request("set", inputs{"values": values{"vm.dirty_ratio": 5}}, p.Changes...))
	if len(later.Changes) > 0 {
		t.Error(told(later))
	}
}

// A later key is refused by the kernel: what was set before is put back.
func TestPutBack(t *testing.T) {
	r := newRig(t)
	r.exec("ip", "link", "add", "name", "co0", "type", "veth", "peer", "name", "co1")
	r.exec("sysctl", "-q", "net.ipv4.conf.co0.forwarding=1")
	keys := []string{"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.co0.forwarding", "net.ipv4.conf.co1.forwarding",
		"net.ipv4.conf.all.accept_redirects", "net.core.somaxconn", "net.ipv4.tcp_rmem", "net.ipv4.tcp_fin_timeout"}
	state := func() (all string) {
		for _, k := range keys {
			all += k + "=" + r.sysctl(k) + "\n"
		}
		return all
	}
	before := state()
	q := r.request("set", inputs{"values": values{"net.ipv4.ip_forward": 1, "net.ipv4.conf.co1.forwarding": 0, "net.core.somaxconn": 77,
		"net.ipv4.tcp_rmem": []int{4096, 4096, 4096}, "net.ipv4.tcp_fin_timeout": 17, "net.ipv4.tcp_congestion_control": "no-such"}, "drop_in": "60-x.conf"})
	p := r.plan(q)
	result := r.apply(q, p)
	contains(t, diagnostics(result.Diagnostics), `cannot set net.ipv4.tcp_congestion_control to "no-such"`)
	if len(result.Done) > 0 {
		t.Errorf("done: %v", result.Done)
	}
	equal(t, "state", state(), before)
	if _, err := os.Stat(filepath.Join(r.host.folders[0], "60-x.conf")); err == nil {
		t.Error("the file was written")
	}
	// The same without the wrong one, and when the file can't be written.
	in := inputs{"values": values{"net.ipv4.ip_forward": 1, "net.ipv4.conf.co1.forwarding": 0, "net.core.somaxconn": 77}, "drop_in": "60-x.conf"}
	q = r.request("set", in)
	p = r.plan(q)
	if err := unix.Mount("none", filepath.Dir(r.host.folders[0]), "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	contains(t, diagnostics(r.apply(q, p).Diagnostics), "cannot write the file", "read-only")
	equal(t, "state", state(), before)
	if err := unix.Unmount(filepath.Dir(r.host.folders[0]), 0); err != nil {
		t.Fatal(err)
	}
	p, _ = r.converges("set", in)
	contains(t, told(p), `update net.ipv4.conf.all.forwarding`, "setting net.ipv4.ip_forward sets it too", "update net.ipv4.conf.default.forwarding")
	contains(t, told(p), "keep net.ipv4.conf.co1.forwarding # is 0 already")
	equal(t, "co1", r.sysctl("net.ipv4.conf.co1.forwarding"), "0")
	equal(t, "co0", r.sysctl("net.ipv4.conf.co0.forwarding"), "1")
}
