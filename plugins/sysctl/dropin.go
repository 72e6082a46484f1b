package sysctl

import (
	"fmt"
	"path"
	"sort"
	"strings"
)

// mark is the first line of files that we have written. Others are not ours.
const mark = "# Written by coppice (sysctl.set). What is changed here by hand is overwritten by its next run."

// line is an assignment in a file of sysctl.d.
type line struct {
	key      string // path; may be a pattern in files that are not ours
	value    string
	optional bool
}

func (l line) name() string {
	if l.optional {
		return "-" + nameOf(l.key)
	}
	return nameOf(l.key)
}

// format makes the file.
func format(lines []line) string {
	var b strings.Builder
	b.WriteString(mark + "\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "%s = %s\n", l.name(), l.value)
	}
	return b.String()
}

// assignments are the lines in one.
func assignments(lines []line) string {
	var all []string
	for _, l := range lines {
		all = append(all, nameOf(l.key)+" = "+l.value)
	}
	return strings.Join(all, ", ")
}

// ours reports whether we have written the file.
func ours(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	return first == mark
}

// parse reads a file of sysctl.d as systemd-sysctl does: what it does not understand is left out.
func parse(text string) []line {
	var all []line
	for _, text := range strings.Split(text, "\n") {
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		left, value, ok := strings.Cut(text, "=")
		if !ok {
			continue // "-key" keeps it out of patterns
		}
		left, optional := strings.CutPrefix(strings.TrimSpace(left), "-")
		l := line{key: strings.TrimSpace(left), value: canonical(value), optional: optional}
		if i := strings.IndexAny(l.key, "./"); i >= 0 && l.key[i] == '.' {
			l.key = swap.Replace(l.key)
		}
		all = append(all, l)
	}
	return all
}

// attributes are the assignments of a file, by name.
func attributes(lines []line) map[string]string {
	all := map[string]string{}
	for _, l := range lines {
		all[l.name()] = l.value
	}
	return all
}

// found is a file of sysctl.d, ours or not.
type found struct {
	path   string
	lines  []line
	masked bool // a link to /dev/null, or empty: it only hides others of its name
}

// applied are the files that systemd-sysctl reads, in the order in which it does, with ours among them, seen as empty. folders hold files by their
// name, the folder that counts more first. hidden is what ours hides.
func applied(folders [][]found, ours string) (order []found, hidden []string) {
	taken := map[string]bool{path.Base(ours): true}
	order = []found{{path: ours}}
	for _, folder := range folders {
		for _, f := range folder {
			name := path.Base(f.path)
			switch {
			case f.path == ours:
			case name == path.Base(ours):
				if !f.masked {
					hidden = append(hidden, f.path)
				}
			case !taken[name]:
				taken[name] = true
				order = append(order, f)
			}
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return path.Base(order[i].path) < path.Base(order[j].path) })
	return order, hidden
}

// conflict is an assignment of a later file that takes away what ours sets.
type conflict struct {
	key  string // of ours
	file string
	by   line
}

// conflicts finds what files behind ours set otherwise. A pattern never counts for a key that somebody names.
func conflicts(order []found, ours string, lines []line) []conflict {
	last := map[string]conflict{}
	behind := false
	for _, f := range order {
		if f.path == ours {
			behind = true
			continue
		}
		if !behind {
			continue
		}
		for _, l := range f.lines {
			last[l.key] = conflict{file: f.path, by: l}
		}
	}
	var all []conflict
	for _, l := range lines {
		if c, ok := last[l.key]; ok && !same(l.key, c.by.value, l.value) {
			c.key = l.key
			all = append(all, c)
		}
		if c, ok := last[partner(l.key)]; ok && partner(l.key) != "" && c.by.value != "0" {
			c.key = l.key
			all = append(all, c)
		}
	}
	return all
}
