package sysctl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The running kernel has no value that a rule refuses, and takes none that one refuses; in a network namespace of our own
// also: it takes the bounds themselves.
func TestRules(t *testing.T) {
	r := newRig(t)
	tried := 0
	for _, rule := range rules {
		is, mode, err := r.host.proc.read(rule.key)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", rule.key, err)
			continue
		}
		tried++
		if bad := rule.check(is); bad != "" && !(isAmount(rule.key) && is == "0") {
			t.Errorf("the kernel has %s = %s, and the rule: %s", rule.key, is, bad)
		}
		if mode&0o222 == 0 {
			continue // in this namespace
		}
		with := func(n int64) string {
			return strings.TrimSpace(strings.Repeat(" "+strconv.FormatInt(n, 10), max(1, rule.fields)))
		}
		p := partner(rule.key)
		if p != "" {
			if other, _, err := r.host.proc.read(p); err != nil || other != "0" {
				continue // trying would make it 0
			}
		}
		var wrong []string
		if rule.min > -none {
			wrong = append(wrong, with(rule.min-1))
		}
		if rule.max < none {
			wrong = append(wrong, with(rule.max+1))
		}
		for _, v := range wrong {
			err := r.host.proc.write(rule.key, v)
			now, _, _ := r.host.proc.read(rule.key)
			if now != is { // at once
				back := r.host.proc.write(rule.key, is)
				t.Errorf("the kernel takes %s = %s and makes %s of it (%v), the rule: %s (put back: %v)", rule.key, v, now, err, rule.check(v), back)
			}
			if rule.check(v) == "" {
				t.Errorf("the rule takes %s = %s", rule.key, v)
			}
		}
		if !strings.HasPrefix(rule.key, "net/") || rule.fields == 2 || rule.key == "net/ipv4/ip_unprivileged_port_start" {
			continue // the kernel holds them against each other
		}
		right := []string{with(max(rule.min, 0)), with(min(rule.max, 100000))}
		for _, v := range right {
			if err := r.host.proc.write(rule.key, v); err != nil && rule.min == 0 {
				t.Errorf("the kernel refuses %s = %s: %v", rule.key, v, err)
			}
			if bad := rule.check(v); bad != "" {
				t.Errorf("%s: %s", rule.key, bad)
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d of %d keys are there", tried, len(rules))
	}
}

func TestRuleWords(t *testing.T) {
	for _, c := range []struct {
		path, value, want string
	}{
		{"kernel/shmall", "18446744073692774399", ""},
		{"fs/file-max", "9223372036854775807", ""},
		{"fs/file-max", "18446744073692774399", ""},
		{"fs/file-max", "99999999999999999999", "takes a whole number of at least 0, found 99999999999999999999"},
		{"vm/swappiness", "-1", "takes a whole number from 0 to 200, found -1"},
		{"vm/swappiness", "", `takes a whole number from 0 to 200, found ""`},
		{"kernel/printk", "4 4 1", `takes 4 times a whole number, found "4 4 1"`},
		{"net/ipv4/ip_local_port_range", "1 65536", "takes 2 times a whole number from 1 to 65535, found 1 65536"},
	} {
		got := ""
		if r := ruleOf(c.path); r != nil {
			got = r.check(c.value)
		}
		equal(t, fmt.Sprint(c.path, " ", c.value), got, c.want)
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"4096\t131072\t6291456\n": "4096 131072 6291456", " 1 ": "1", "": "", "\n": "", "a  b\n": "a  b", "-1": "-1", "010": "010", "0": "0", "a\nb\n": "a\nb", "- 1": "- 1",
	} {
		equal(t, strconv.Quote(in), canonical(in), want)
	}
	for f, want := range map[string]bool{"010": true, "0x10": true, "0X1f": true, "-010": true, "0": false, "10": false, "0b1": false, "08": false, "0x": false, "1-3": false} {
		if otherBase(f) != want {
			t.Errorf("otherBase(%q) is %v", f, !want)
		}
	}
}

func TestKey(t *testing.T) {
	for in, want := range map[string]string{
		"vm.swappiness": "vm/swappiness vm.swappiness", "vm/swappiness": "vm/swappiness vm.swappiness",
		"net.ipv4.conf.eth0/100.forwarding":  "net/ipv4/conf/eth0.100/forwarding net.ipv4.conf.eth0/100.forwarding",
		"net/ipv4/conf/eth0.100/forwarding":  "net/ipv4/conf/eth0.100/forwarding net.ipv4.conf.eth0/100.forwarding",
		"-net/ipv4/conf/eth0.100/forwarding": "net/ipv4/conf/eth0.100/forwarding net.ipv4.conf.eth0/100.forwarding",
		"net.ipv4.conf.a-b:1.forwarding":     "net/ipv4/conf/a-b:1/forwarding net.ipv4.conf.a-b:1.forwarding",
	} {
		k := keyOf(t, in)
		equal(t, in, k.path+" "+k.name(), want)
		if again := keyOf(t, k.name()); again.path != k.path {
			t.Errorf("%q is %q again", k.name(), again.path)
		}
	}
	for _, in := range []string{"", "-", "vm", ".", "..", "vm.", ".vm", "/vm/swappiness", "vm//x", "vm/./x", "vm/../x", "a b.c", "a.b\x00", "a.b=1", "../..", "vm/.."} {
		if k, err := parseKey(in); err == nil {
			t.Errorf("%q is the key %q", in, k.path)
		}
	}
}
