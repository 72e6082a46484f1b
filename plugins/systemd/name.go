package systemd

import (
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/hbohlen/coppice/sdk"
)

// suffixes of units, see systemd.unit(5).
var suffixes = []string{"service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"}

// longest is UNIT_NAME_MAX of systemd: with the zero byte 256.
const longest = 255

// legal are the characters of a name, see systemd.unit(5).
const legal = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@"

// unitName is the full name of the unit that the user means.
func unitName(t Target) (string, error) {
	name := t.Unit
	if strings.HasPrefix(name, "/") {
		if t.Instance != nil {
			return "", sdk.InvalidInput("/instance", "a path has no instances")
		}
		return pathUnit(name), nil
	}
	if bad := strings.IndexFunc(name, func(r rune) bool { return !strings.ContainsRune(legal, r) }); bad >= 0 {
		e := sdk.InvalidInput("/unit", "%q is no name of a unit: %q can't be in one", name, []rune(name[bad:])[0])
		switch {
		case strings.ContainsAny(name, "*?["):
			e.Advice = "name one unit; for several, use for_each"
		case strings.Contains(name, "@"):
			prefix, rest, _ := strings.Cut(name, "@")
			e.Advice = "give the template and its instance apart: unit: " + prefix + "@, instance: " + rest
		}
		return "", e
	}
	base, suffix := name, "service"
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && slices.Contains(suffixes, name[dot+1:]) {
		base, suffix = name[:dot], name[dot+1:]
	}
	if t.Instance != nil {
		if !strings.HasSuffix(base, "@") {
			e := sdk.InvalidInput("/instance", "%q is no template: it does not end in @", name)
			e.Advice = "leave instance out, or write unit: " + strings.SplitN(base, "@", 2)[0] + "@"
			return "", e
		}
		if *t.Instance == "" {
			return "", sdk.InvalidInput("/instance", "an instance has a name")
		}
		base += unit.UnitNameEscape(*t.Instance)
	}
	if base == "" || strings.HasPrefix(base, "@") {
		return "", sdk.InvalidInput("/unit", "%q is no name of a unit", name)
	}
	if full := base + "." + suffix; len(full) <= longest {
		return full, nil
	}
	return "", sdk.InvalidInput("/unit", "the name of a unit has at most %d bytes, and this has more: %.40s…", longest, base)
}

// pathUnit is the unit of a path: the device below /dev or /sys, else the mount. As systemctl has it.
func pathUnit(path string) string {
	escaped := unit.UnitNamePathEscape(path)
	if path == "/dev" || strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/sys/") {
		return escaped + ".device"
	}
	return escaped + ".mount"
}

// isTemplate reports whether a full name is that of a template, which nothing can be done with but enable and mask it.
func isTemplate(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	return dot > 0 && name[dot-1] == '@'
}

// closest are the names, of those that there are, which the user may have meant. At most three.
func closest(name string, all []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	stem := func(s string) string {
		s = strings.TrimSuffix(s, ".service")
		return strings.ToLower(s)
	}
	for _, other := range all {
		d := distance(stem(name), stem(other))
		if d <= 2 && d < len(stem(name))/2+1 || len(stem(name)) >= 4 && strings.HasPrefix(stem(other), stem(name)) {
			found = append(found, candidate{other, d})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, c := range found {
		if len(names) < 3 && !slices.Contains(names, c.name) {
			names = append(names, c.name)
		}
	}
	return names
}

// distance is how many bytes must be changed, added, left out or exchanged with their neighbour.
func distance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
