package graph

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// odd is a graph whose texts have all that is markup somewhere.
func odd() Graph {
	nasty := "a \"b\" <c> & #d; {e} [f] | `g` \\n \\"
	leaf := func(id string) Step { return Step{ID: id, Title: nasty, Uses: "btrfs.list", Effect: "read", If: nasty} }
	block := Step{ID: "block", If: nasty, Sections: []Section{
		{Name: "block", Steps: []Step{leaf("a"), leaf("b")}},
		{Name: "rescue", When: nasty, Steps: []Step{leaf("c")}},
		{Name: "always", When: nasty, Steps: []Step{leaf("d")}},
	}}
	return Graph{Name: "odd-one", Sections: []Section{
		{Name: "steps", Steps: []Step{block, {ID: "e", Uses: "x.y", Needs: []string{"block", "a", "gone"}}}},
		{Name: "on_failure", When: "when the run failed", Steps: []Step{leaf("f")}},
		{Name: "always", When: "last", Steps: []Step{leaf("g")}},
	}}
}

// TestGraphviz: dot reads what is written for it, and sees the same boxes and arrows.
func TestGraphviz(t *testing.T) {
	if _, err := exec.LookPath("dot"); err != nil {
		need.Missing(t, "graphviz", "needs dot, from the package graphviz")
	}
	c := exec.Command("dot", "-Tplain")
	c.Stdin = strings.NewReader(DOT(odd()))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, DOT(odd()))
	}
	boxes, arrows := 0, 0
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.HasPrefix(line, "node "):
			boxes++
		case strings.HasPrefix(line, "edge "):
			arrows++
		}
	}
	// Seven steps with both ends. From start to a, a to b; b, when failed, to c; b and c to d; d to e; e, when failed, to
	// f; e and f to g; g to the end; and two that read: e of block, which ends in d, and of a.
	if boxes != 9 || arrows != 12 {
		t.Errorf("%d boxes, %d arrows\n%s", boxes, arrows, DOT(odd()))
	}
}

// TestEveryStepIsDrawn: whatever draws, no step and no arrow gets lost.
func TestEveryStepIsDrawn(t *testing.T) {
	mermaid := Mermaid(odd())
	if n := strings.Count(mermaid, "-->") + strings.Count(mermaid, ".->"); n != 12 {
		t.Errorf("Mermaid has %d arrows\n%s", n, mermaid)
	}
	for line := range strings.Lines(mermaid) {
		if strings.Count(line, `"`)%2 != 0 {
			t.Errorf("open quotes: %s", line)
		}
	}
	text := Text(odd())
	for _, id := range []string{"block", "a", "b", "c", "d", "e", "f", "g"} {
		if !strings.Contains(text, "─ "+id+" ") {
			t.Errorf("%s is not drawn\n%s", id, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("escape sequences")
	}
}
