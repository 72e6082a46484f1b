package sysctl

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
)

// In a container /proc/sys is read-only.
func TestReadOnly(t *testing.T) {
	r := newRig(t)
	if err := unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	r.refuses(inputs{"values": values{"net.core.somaxconn": 5}}, "[not-permitted]", "/proc/sys is mounted read-only, as in a container", "on the machine itself")
	p := r.plan(r.request("set", inputs{"values": values{"net.ipv4.ip_default_ttl": 64, "-net.core.somaxconn": 5}, "drop_in": "60-x.conf"}))
	contains(t, told(p), "keep net.ipv4.ip_default_ttl # is 64 already", "warning [] /values/-net.core.somaxconn", `{"-net.core.somaxconn":"5","net.ipv4.ip_default_ttl":"64"}`)
}

// Nothing but parameters is read and written, wherever names lead.
func TestNothingElse(t *testing.T) {
	r := newRig(t)
	if err := unix.Mount("none", "/proc/sys/net/core", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	const core = "/proc/sys/net/core"
	for link, to := range map[string]string{"link": "../ipv4/ip_default_ttl", "out": "/proc/sys/net/ipv4"} {
		if err := os.Symlink(to, filepath.Join(core, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(core+"/file", []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(core+"/pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"net.core.link": "is no parameter", "net.core.file": "is no parameter", "net.core.pipe": "is no parameter",
		"net.core.out.ip_default_ttl": `the kernel has no "net.core.out.ip_default_ttl"`,
	} {
		r.refuses(inputs{"values": values{key: 1}}, want)
		if _, err := r.plugin.Plan(context.Background(), r.request("get", inputs{"keys": []string{key}})); err == nil {
			t.Errorf("%s was read", key)
		}
	}
	equal(t, "ttl", r.sysctl("net.ipv4.ip_default_ttl"), "64")
}

func TestNotRoot(t *testing.T) {
	r := newRig(t)
	become := func(uid uintptr) { // of this thread alone, which ends with the test
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uid, ^uintptr(0)); errno != 0 {
			t.Fatal(errno)
		}
	}
	become(65534)
	defer become(0)
	r.refuses(inputs{"values": values{"net.ipv4.tcp_fin_timeout": 5}}, "[not-permitted]", "permission denied", "run as root")
	r.refuses(inputs{"values": values{"vm.mmap_rnd_bits": 28}}, "[not-permitted]", "cannot read", "run as root")
}

// hooked is a context that calls before it tells whether it is over: Apply asks once for each key that it sets.
type hooked struct {
	context.Context
	asked int
	hook  func(n int) error
}

func (h *hooked) Err() error {
	h.asked++
	return h.hook(h.asked)
}

var five = values{"kernel.domainname": "a.b", "net.core.somaxconn": 77, "net.ipv4.ip_forward": 1, "net.ipv4.tcp_fin_timeout": 17, "net.ipv4.tcp_rmem": "4096 4096 4096"}

func (r *rig) state() (all string) {
	for _, k := range []string{"kernel.domainname", "net.core.somaxconn", "net.ipv4.ip_forward", "net.ipv4.conf.lo.forwarding", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_rmem"} {
		all += k + "=" + r.sysctl(k) + "\n"
	}
	return all
}

// Stopped before each key, everything is put back.
func TestCancel(t *testing.T) {
	r := newRig(t)
	before := r.state()
	in := inputs{"values": five, "drop_in": "60-x.conf"}
	for k := 1; k <= len(five); k++ {
		q := r.request("set", in)
		p := r.plan(q)
		ctx := &hooked{Context: context.Background(), hook: func(n int) error {
			if n >= k {
				return context.Canceled
			}
			return nil
		}}
		result, err := r.plugin.Apply(ctx, q, p, func(sdk.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		contains(t, diagnostics(result.Diagnostics), "[cancelled] : stopped on request")
		if len(result.Done) > 0 {
			t.Errorf("done: %v", result.Done)
		}
		equal(t, "state", r.state(), before)
		if entries, _ := os.ReadDir(r.host.folders[0]); len(entries) > 0 {
			t.Errorf("%v", entries)
		}
	}
	r.converges("set", in)
}

// What can't be put back is told, and counts as made.
func TestPutBackFails(t *testing.T) {
	r := newRig(t)
	q := r.request("set", inputs{"values": five})
	p := r.plan(q)
	ctx := &hooked{Context: context.Background(), hook: func(n int) error {
		if n < 4 {
			return nil
		}
		for _, flags := range []uintptr{unix.MS_BIND, unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY} {
			if err := unix.Mount("/proc/sys/net/core", "/proc/sys/net/core", "", flags, ""); err != nil {
				t.Fatal(err)
			}
		}
		return context.Canceled
	}}
	result, err := r.plugin.Apply(ctx, q, p, func(sdk.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	all := diagnostics(result.Diagnostics)
	contains(t, all, "[cancelled]", `cannot put net.core.somaxconn back to "4096"`, "read-only file system", "net.core.somaxconn is 77 now, and was 4096 before the step")
	if strings.Contains(all, "ip_forward") || len(result.Done) != 1 || p.Changes[result.Done[0]].Resource.Name != "net.core.somaxconn" {
		t.Errorf("done: %v\n%s", result.Done, all)
	}
	equal(t, "ip_forward", r.sysctl("net.ipv4.ip_forward"), "0")
}

// A plan that is overtaken is not carried out, not even in part.
func TestDrift(t *testing.T) {
	r := newRig(t)
	before := r.state()
	for _, k := range []string{"net.core.somaxconn=50", "net.ipv4.ip_default_ttl=60", "net.ipv4.conf.lo.forwarding=1"} {
		q := r.request("set", inputs{"values": values{"net.core.somaxconn": 77, "net.ipv4.tcp_fin_timeout": 17, "net.ipv4.ip_default_ttl": 64, "net.ipv4.ip_forward": 0, "net.ipv4.conf.lo.forwarding": 0}})
		p := r.plan(q)
		r.exec("sysctl", "-q", k)
		name, is, _ := strings.Cut(k, "=")
		contains(t, diagnostics(r.apply(q, p).Diagnostics), "[drifted]", name+" is "+is+" now")
		r.exec("sysctl", "-q", "net.core.somaxconn=4096", "net.ipv4.ip_default_ttl=64", "net.ipv4.conf.lo.forwarding=0")
		equal(t, "state", r.state(), before)
		if again := r.plan(q); string(again.Fingerprint) != string(p.Fingerprint) {
			t.Errorf("fingerprint: %s\n%s", again.Fingerprint, p.Fingerprint)
		}
	}
	// Of what has nothing to do with it nobody cares.
	q := r.request("set", inputs{"values": values{"net.core.somaxconn": 77}})
	p := r.plan(q)
	r.exec("sysctl", "-q", "net.ipv4.ip_default_ttl=60")
	if result := r.apply(q, p); sdk.HasErrors(result.Diagnostics) {
		t.Error(diagnostics(result.Diagnostics))
	}
}

// The kernel makes something else of a value: that is no success.
func TestRounded(t *testing.T) {
	r := newRig(t)
	before := r.sysctl("net.ipv4.ip_local_reserved_ports")
	q := r.request("set", inputs{"values": values{"net.core.somaxconn": 77, "net.ipv4.ip_local_reserved_ports": "8080,8081,8082"}})
	contains(t, diagnostics(r.apply(q, r.plan(q)).Diagnostics), `the kernel has made "8080-8082" of "8080,8081,8082"`, "write what the kernel makes of it")
	equal(t, "ports", r.sysctl("net.ipv4.ip_local_reserved_ports"), before)
	equal(t, "somaxconn", r.sysctl("net.core.somaxconn"), "4096")
}
