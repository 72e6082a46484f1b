package report

import (
	"fmt"
	"strings"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// summary ends the live form:
//
//	────────────────────────────────────────
//	✓ snapshot-rotation succeeded in 0.73s
//	  changes   +4 ~0 -52
//	  steps     2 changed · 1 ok
//	  run       20260330T060000Z-7f3a
func (r *live) summary(p *page, e engine.RunFinished) {
	p.put(line{}.add(dim, strings.Repeat("─", min(r.columns(), liveWidest))))
	sign := runSign(e.Status)
	name := r.clean(r.started.Playbook)
	if name == "" {
		name = "run"
	}
	l := line{}.add(sign.style, sign.text+" ").add(bold, name).add(plain, " ")
	p.put(l.add(sign.style, runText(e.Status)).add(plain, " in "+Duration(e.Duration)))
	const column = 12
	field := func(name string) line { return line{}.add(plain, "  ").add(dim, name).pad(column) }
	if e.Reason != "" {
		p.wrap(field("reason"), plain, r.clean(e.Reason))
	}
	c := totalCounts(e.Changes)
	changes := field("changes")
	if !e.Changes.Any() {
		changes = changes.add(plain, "none")
	} else {
		for _, k := range kinds {
			if k == sdk.Run && c[k] == 0 {
				continue
			}
			m := marker(k)
			if c[k] == 0 {
				m.style = dim
			}
			changes = changes.add(m.style, fmt.Sprintf("%s%d ", m.text, c[k]))
		}
	}
	p.put(changes)
	if steps := countSteps(reached(e.Steps, r.idle), " · "); steps != "" {
		p.wrap(field("steps"), plain, steps)
	}
	if e.Warnings > 0 {
		p.put(field("warnings").add(yellow, fmt.Sprint(e.Warnings)))
	}
	if e.Run != "" {
		p.put(field("run").add(dim, r.clean(e.Run)))
	}
}
