package graph

import (
	"fmt"
	"strings"
)

// Mermaid draws a flowchart as https://mermaid.js.org/syntax/flowchart.html says; many forges show it in Markdown.
func Mermaid(g Graph) string {
	p := lay(g)
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	fmt.Fprintf(&b, "  %s([\"%s\"])\n", start, mermaidText(g.Name))
	for i, f := range p.frames {
		mermaidFrame(&b, p, &f, fmt.Sprintf("s%d", i+1), "  ")
	}
	fmt.Fprintf(&b, "  %s([\"end\"])\n", finish)
	for _, a := range p.arrows {
		line := map[arrowKind]string{next: "-->", failed: `-. "failed" .->`, data: `-.->`}[a.kind]
		fmt.Fprintf(&b, "  %s %s %s\n", a.from, line, a.to)
	}
	return b.String()
}

func mermaidFrame(b *strings.Builder, p *picture, f *frame, name, indent string) {
	fmt.Fprintf(b, "%ssubgraph %s[\"%s\"]\n", indent, name, mermaidText(f.title))
	for i, box := range f.boxes {
		if box.frame != nil {
			mermaidFrame(b, p, box.frame, fmt.Sprintf("%s_%d", name, i+1), indent+"  ")
			continue
		}
		lines := append([]string{box.step.ID}, box.step.notes()...)
		for i := range lines {
			lines[i] = mermaidText(lines[i])
		}
		fmt.Fprintf(b, "%s  %s[\"%s\"]\n", indent, p.name(box.step.ID), strings.Join(lines, "<br/>"))
	}
	fmt.Fprintf(b, "%send\n", indent)
}

// mermaidText keeps text from being markup: entities are written with # there.
func mermaidText(text string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;", "\n", " ").Replace(text)
}
