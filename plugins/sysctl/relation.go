package sysctl

import "strings"

// pairs are a ratio and an amount for one thing. Setting one makes the other one 0: dirty_ratio_handler, dirty_bytes_handler,
// dirty_background_ratio_handler, dirty_background_bytes_handler (mm/page-writeback.c), overcommit_ratio_handler and
// overcommit_kbytes_handler (mm/util.c); said in Documentation/admin-guide/sysctl/vm.rst. An amount of 0 is no value
// that could be set: it only says that the ratio counts.
var pairs = []struct{ ratio, amount string }{
	{"vm/dirty_background_ratio", "vm/dirty_background_bytes"},
	{"vm/dirty_ratio", "vm/dirty_bytes"},
	{"vm/overcommit_ratio", "vm/overcommit_kbytes"},
}

// partner is the other one of a pair; "" for a key that is in none.
func partner(path string) string {
	for _, p := range pairs {
		switch path {
		case p.ratio:
			return p.amount
		case p.amount:
			return p.ratio
		}
	}
	return ""
}

// isAmount reports whether it is the amount of a pair.
func isAmount(path string) bool {
	for _, p := range pairs {
		if path == p.amount {
			return true
		}
	}
	return false
}

// spreads are what the kernel sets together with a key: inet_forward_change (net/ipv4/devinet.c), addrconf_forward_change and
// addrconf_disable_change (net/ipv6/addrconf.c). See "ip_forward" and "conf/all/forwarding" in
// Documentation/networking/ip-sysctl.rst.
var spreads = []struct {
	key   string
	to    []string // patterns in which * is one part
	turns string   // is set to the opposite
}{
	{"net/ipv4/ip_forward", []string{"net/ipv4/conf/*/forwarding"}, "net/ipv4/conf/all/accept_redirects"},
	{"net/ipv4/conf/all/forwarding", []string{"net/ipv4/ip_forward", "net/ipv4/conf/*/forwarding"}, "net/ipv4/conf/all/accept_redirects"},
	{"net/ipv6/conf/all/forwarding", []string{"net/ipv6/conf/*/forwarding"}, ""},
	{"net/ipv6/conf/all/disable_ipv6", []string{"net/ipv6/conf/*/disable_ipv6"}, ""},
}

// spreadTo is the value that a key gets when another one is set; ok is false when it is left alone.
func spreadTo(set, value, path string) (to string, ok bool) {
	for _, s := range spreads {
		if s.key != set || path == set {
			continue
		}
		on := value != "0"
		if path == s.turns {
			return bit(!on), true
		}
		for _, pattern := range s.to {
			if matches(pattern, path) {
				return value, true
			}
		}
	}
	return "", false
}

func bit(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// spreadPatterns are the keys that can change with it.
func spreadPatterns(path string) []string {
	for _, s := range spreads {
		if s.key == path {
			all := s.to
			if s.turns != "" {
				all = append(all[:len(all):len(all)], s.turns)
			}
			return all
		}
	}
	return nil
}

func matches(pattern, path string) bool {
	p, parts := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(p) != len(parts) {
		return false
	}
	for i := range p {
		if p[i] != "*" && p[i] != parts[i] {
			return false
		}
	}
	return true
}
