package graph

import (
	"fmt"
	"strings"
)

// DOT draws in the language of Graphviz, https://graphviz.org/doc/info/lang.html: pipe it to dot -Tsvg.
func DOT(g Graph) string {
	p := lay(g)
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n", dotText(g.Name))
	b.WriteString("  node [shape=box, fontname=\"sans-serif\"]\n  edge [fontname=\"sans-serif\", fontsize=10]\n  graph [fontname=\"sans-serif\"]\n")
	fmt.Fprintf(&b, "  %s [label=%s, shape=oval]\n", start, dotText(g.Name))
	for i, f := range p.frames {
		dotFrame(&b, p, &f, fmt.Sprintf("s%d", i+1), "  ")
	}
	fmt.Fprintf(&b, "  %s [label=\"end\", shape=oval]\n", finish)
	for _, a := range p.arrows {
		style := map[arrowKind]string{next: "", failed: ` [style=dashed, label="failed"]`, data: " [style=dotted, constraint=false]"}[a.kind]
		fmt.Fprintf(&b, "  %s -> %s%s\n", a.from, a.to, style)
	}
	b.WriteString("}\n")
	return b.String()
}

func dotFrame(b *strings.Builder, p *picture, f *frame, name, indent string) {
	fmt.Fprintf(b, "%ssubgraph cluster_%s {\n%s  label=%s\n", indent, name, indent, dotText(f.title))
	for i, box := range f.boxes {
		if box.frame != nil {
			dotFrame(b, p, box.frame, fmt.Sprintf("%s_%d", name, i+1), indent+"  ")
			continue
		}
		lines := append([]string{box.step.ID}, box.step.notes()...)
		fmt.Fprintf(b, "%s  %s [label=%s]\n", indent, p.name(box.step.ID), dotText(strings.Join(lines, "\n")))
	}
	fmt.Fprintf(b, "%s}\n", indent)
}

// dotText is a quoted string.
func dotText(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}
