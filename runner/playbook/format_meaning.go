package playbook

import (
	"fmt"
	"slices"
	"strings"
)

// sameMeaning reports whether two texts say the same, in the order that counts, and with the same comments.
func sameMeaning(file string, before Value, text, tidy []byte) bool {
	after, r, _ := parseValue(file, tidy)
	if after == nil || r.found.HasErrors() || meaning(before, false) != meaning(after, false) {
		return false
	}
	p, wrong := Parse(file, text)
	q, wrongToo := Parse(file, tidy)
	if len(wrong) != len(wrongToo) || p.meaning() != q.meaning() {
		return false
	}
	return slices.Equal(words(text), words(tidy))
}

// words are the lines of a text without what Format may change in them, sorted.
func words(text []byte) []string {
	var all []string
	for line := range strings.Lines(string(text)) {
		if w := strings.Join(strings.Fields(strings.TrimLeft(line, "- \t")), " "); w != "" {
			all = append(all, strings.ReplaceAll(w, " :", ":"))
		}
	}
	slices.Sort(all)
	return all
}

// meaning is what a value says, as text; inOrder: the order of keys counts.
func meaning(v Value, inOrder bool) string {
	switch v := v.(type) {
	case List:
		parts := make([]string, len(v.Items))
		for i, item := range v.Items {
			parts[i] = meaning(item, inOrder)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case Map:
		parts := make([]string, len(v.Entries))
		for i, e := range v.Entries {
			parts[i] = fmt.Sprintf("%q:%s", e.Key, meaning(e.Value, inOrder))
		}
		if !inOrder {
			slices.Sort(parts)
		}
		return "{" + strings.Join(parts, ",") + "}"
	case Scalar:
		return fmt.Sprintf("%d%q", v.Style, v.Text)
	}
	return ""
}

// meaning is what a playbook says besides its values, as text: the order of inputs, variables, outputs and arguments, and the ids
// of its steps.
func (p *Playbook) meaning() string {
	var b strings.Builder
	for _, in := range p.Inputs {
		fmt.Fprintf(&b, "%s ", in.Name)
	}
	for _, v := range append(p.Vars[:len(p.Vars):len(p.Vars)], p.Outputs...) {
		fmt.Fprintf(&b, "%s=%s ", v.Name, meaning(v.Value, true))
	}
	for _, s := range p.AllSteps() {
		fmt.Fprintf(&b, "%s:%s:%s ", s.Path, s.ID, meaning(s.With, true))
		if s.ForEach != nil {
			b.WriteString(meaning(s.ForEach, true))
		}
	}
	return b.String()
}
