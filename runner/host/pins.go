package host

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A lock file pins the versions and the executables of foreign plugins. Each line is
//
//	NAME VERSION sha256:HEX
//
// Empty lines, and lines that begin with #, count for nothing.

var sumForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:([0-9a-f]{64})$`) })

// ParsePins reads a lock file. The result is never nil without an error: an empty file allows no plugin. The error names
// the line.
func ParsePins(text string) (map[string]Pin, error) {
	pins := map[string]Pin{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %d has %d words; it needs three: NAME VERSION sha256:HEX", n, len(fields))
		}
		name, sum := fields[0], sumForm().FindStringSubmatch(fields[2])
		switch {
		case !foreignName().MatchString(name):
			return nil, fmt.Errorf("line %d: %q cannot name a plugin", n, name)
		case sum == nil:
			return nil, fmt.Errorf("line %d: %q is not sha256: and 64 hex digits", n, fields[2])
		}
		if _, twice := pins[name]; twice {
			return nil, fmt.Errorf("line %d: %s stands twice", n, name)
		}
		pins[name] = Pin{Version: fields[1], SHA256: sum[1]}
	}
	return pins, nil
}

// FormatPins writes a lock file, sorted by name.
func FormatPins(pins map[string]Pin) string {
	var b strings.Builder
	b.WriteString("# Plugins that coppice may start: NAME VERSION sha256:HEX. `coppice plugin lock` writes this file.\n")
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		fmt.Fprintf(&b, "%s %s sha256:%s\n", name, pins[name].Version, pins[name].SHA256)
	}
	return b.String()
}
