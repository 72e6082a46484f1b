package sysctl

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

// key is a key as somebody has written it.
type key struct {
	path     string
	optional bool // "-" in front
}

// name is the key with dots.
func (k key) name() string { return nameOf(k.path) }

// swap exchanges dots and slashes.
var swap = strings.NewReplacer(".", "/", "/", ".")

func nameOf(path string) string { return swap.Replace(path) }

// parseKey follows sysctl.d(5), without its patterns.
func parseKey(text string) (key, error) {
	rest, optional := strings.CutPrefix(text, "-")
	if below, ok := strings.CutPrefix(rest, "/proc/sys/"); ok {
		return key{}, fmt.Errorf("%q is a path: write the key, %s", text, nameOf(below))
	}
	switch {
	case rest == "":
		return key{}, fmt.Errorf("%q is no key", text)
	case strings.Contains(rest, "="):
		return key{}, fmt.Errorf("%q is no key: the value belongs behind a colon", text)
	case strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return key{}, fmt.Errorf("%q is no key: it has white space in it", text)
	}
	path := rest
	if i := strings.IndexAny(rest, "./"); i >= 0 && rest[i] == '.' {
		path = swap.Replace(rest)
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." {
			return key{}, fmt.Errorf("%q is no key: a part of it is empty, or dots alone", text)
		}
	}
	if !strings.Contains(path, "/") {
		return key{}, fmt.Errorf("%q is no key: one has parts, like vm.swappiness", text)
	}
	return key{path: path, optional: optional}, nil
}

// isPattern reports whether systemd-sysctl would take it for a pattern of keys.
func isPattern(path string) bool { return strings.ContainsAny(path, "*?[") }

// closest are names that somebody may have meant, the closest first.
func closest(name string, names []string) []string {
	type near struct {
		name     string
		distance int
	}
	var all []near
	for _, n := range names {
		if d := distance(name, n); d <= max(2, len(name)/3) {
			all = append(all, near{n, d})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].distance < all[j].distance })
	var found []string
	for _, n := range all {
		found = append(found, n.name)
	}
	return found
}

// distance is how many bytes have to be put in, left out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// modules have parameters that are there only while they are loaded.
var modules = []struct{ under, module string }{
	{"net/bridge/", "br_netfilter"},
	{"net/netfilter/nf_conntrack", "nf_conntrack"},
	{"net/nf_conntrack_max", "nf_conntrack"},
	{"net/netfilter/", "nf_conntrack"},
	{"net/sctp/", "sctp"},
	{"net/mpls/", "mpls_router"},
	{"fs/xfs/", "xfs"},
	{"fs/nfs/", "lockd"},
	{"sunrpc/", "sunrpc"},
	{"dev/raid/", "md_mod"},
	{"dev/cdrom/", "cdrom"},
}

// moduleOf is the module that has the parameter; "" where we know of none.
func moduleOf(path string) string {
	for _, m := range modules {
		if strings.HasPrefix(path, m.under) {
			return m.module
		}
	}
	return ""
}
