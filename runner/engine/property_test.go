package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// writer makes random playbooks for the shelf.
type writer struct {
	r     *rand.Rand
	text  strings.Builder
	count int
	puts  []string // ids of put steps at the top, whose outputs always exist
	lists []string
	// unsure: earlier steps may not have run where the next one stands.
	unsure bool
	// called are playbooks that are called; level is how many calls this one is below the first.
	called *[]string
	level  int
}

// call writes the call of a playbook, and the playbook.
func (w *writer) call(indent, id, condition string, known bool) {
	file := fmt.Sprintf("p%d.yaml", len(*w.called)+1)
	at := len(*w.called)
	*w.called = append(*w.called, "")
	fmt.Fprintf(&w.text, "%s- {id: %s, %splaybook: %s, with: {word: \"%s\"}}\n", indent, id, condition, file, w.name(""))
	inner := &writer{r: w.r, called: w.called, level: w.level + 1}
	inner.text.WriteString("inputs:\n  word: {type: string}\n  other: {type: string, default: o}\nvars:\n  both: ${{ inputs.word }}-${{ inputs.other }}\nsteps:\n")
	inner.text.WriteString("  - {id: own, uses: shelf.put, with: {name: \"${{ vars.both }}\"}}\n")
	inner.puts = []string{"own"}
	inner.steps("  ", 3, 0)
	inner.unsure = true
	for _, part := range []string{"on_failure", "always"} {
		if w.r.IntN(3) == 0 {
			inner.text.WriteString(part + ":\n")
			inner.steps("  ", 2, 1)
		}
	}
	out := w.pick(inner.puts)
	fmt.Fprintf(&inner.text, "outputs: {name: \"${{ steps.%s.outputs.name }}\", number: \"${{ steps.%s.outputs.number }}\"}\n", out, out)
	(*w.called)[at] = "-- " + file + " --\n" + inner.text.String()
	if known {
		w.puts = append(w.puts, id)
	}
}

// condition is an `if` that a preview can tell, or can't.
func (w *writer) condition() string {
	switch n := w.r.IntN(10); {
	case n < 5:
		return ""
	case n < 7 && len(w.lists) > 0 && !w.unsure:
		return fmt.Sprintf("if: steps.%s.outputs.count > %d, ", w.pick(w.lists), w.r.IntN(5))
	case n < 8 && len(w.puts) > 0 && !w.unsure: // known after run only
		return fmt.Sprintf("if: steps.%s.outputs.number %% 2 == %d, ", w.pick(w.puts), w.r.IntN(2))
	case n < 9:
		return "if: success(), "
	}
	return "if: \"!cancelled()\", "
}

func (w *writer) pick(all []string) string { return all[w.r.IntN(len(all))] }

func (w *writer) id() string {
	w.count++
	return fmt.Sprintf("s%d", w.count)
}

// name is what a put step puts: one of few, so that steps meet.
func (w *writer) name(item string) string {
	name := string(rune('a' + w.r.IntN(8)))
	switch n := w.r.IntN(8); {
	case item != "" && n < 4:
		return "${{ " + item + " }}" + name
	case n == 5 && len(w.puts) > 0 && !w.unsure:
		return "${{ steps." + w.pick(w.puts) + ".outputs.name }}" + name
	case n == 6 && len(w.puts) > 0 && !w.unsure: // known after run only
		return name + "${{ steps." + w.pick(w.puts) + ".outputs.number }}"
	}
	return name
}

// steps writes a list of steps.
func (w *writer) steps(indent string, most, depth int) {
	for range 1 + w.r.IntN(most) {
		id := w.id()
		condition := w.condition()
		unsure := w.unsure
		w.unsure = unsure || strings.Contains(condition, "()")
		continueOn := ""
		if w.r.IntN(6) == 0 {
			continueOn = "continue_on_error: true, "
		}
		switch n := w.r.IntN(10); {
		case n < 4:
			fmt.Fprintf(&w.text, "%s- {id: %s, %s%suses: shelf.put, with: {name: \"%s\"}}\n", indent, id, condition, continueOn, w.name(""))
			if depth == 0 && condition == "" && continueOn == "" {
				w.puts = append(w.puts, id)
			}
		case n < 6:
			fmt.Fprintf(&w.text, "%s- {id: %s, %s%suses: shelf.drop, with: {keep: %d}}\n", indent, id, condition, continueOn, w.r.IntN(5))
		case n < 7:
			fmt.Fprintf(&w.text, "%s- {id: %s, %suses: shelf.list}\n", indent, id, condition)
			if depth == 0 && condition == "" {
				w.lists = append(w.lists, id)
			}
		case n < 8 || depth == 2:
			parallel := ""
			if w.r.IntN(2) == 0 {
				// What items do to each other is not known before: only names of their own.
				parallel = "max_parallel: 2, "
			}
			name := w.name("item")
			if parallel != "" {
				name = id + "-${{ item }}"
			}
			fmt.Fprintf(&w.text, "%s- {id: %s, %s%s%sfor_each: [x, y, z], uses: shelf.put, with: {name: \"%s\"}}\n", indent, id, condition, continueOn, parallel, name)
		case w.level < 2 && w.r.IntN(2) == 0:
			w.call(indent, id, condition+continueOn, depth == 0 && condition == "" && continueOn == "")
		default:
			fmt.Fprintf(&w.text, "%s- id: %s\n", indent, id)
			if condition != "" {
				fmt.Fprintf(&w.text, "%s  %s\n", indent, strings.TrimSuffix(condition, ", "))
			}
			for _, part := range []string{"block", "rescue", "always"} {
				if part == "block" || w.r.IntN(2) == 0 {
					fmt.Fprintf(&w.text, "%s  %s:\n", indent, part)
					before := w.unsure
					w.unsure = before || part != "block"
					w.steps(indent+"    ", 2, depth+1)
					w.unsure = before
				}
			}
		}
		w.unsure = unsure
	}
}

// The promise: for the same machine and the same instant, what a preview shows is
// what a run does. It is equal where the preview was sure, and free only where it
// said that it could not know.
func TestPropertyPreviewIsRun(t *testing.T) {
	const rounds = 1000
	sure, all := 0, 0
	for seed := range uint64(rounds) {
		w := &writer{r: rand.New(rand.NewPCG(seed, 1)), called: new([]string)}
		w.text.WriteString("steps:\n")
		w.steps("  ", 6, 0)
		if w.r.IntN(2) == 0 {
			w.text.WriteString("on_failure:\n")
			w.unsure = true
			w.steps("  ", 2, 1)
		}
		if w.r.IntN(2) == 0 {
			w.text.WriteString("always:\n")
			w.unsure = true
			w.steps("  ", 2, 1)
		}
		text := w.text.String() + strings.Join(*w.called, "")
		names := []string{"q"}
		for range w.r.IntN(6) {
			if n := string(rune('a' + w.r.IntN(8))); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
		refused := string(rune('a' + w.r.IntN(16))) // half of the time nothing is refused
		s := &shelf{names: slices.Clone(names)}
		s.hook = func(call string) error {
			if call == "plan put "+refused {
				return &sdk.Error{Summary: "refused"}
			}
			return nil
		}
		p := program(t, text, s)
		preview := execute(t, context.Background(), p, s, ModePreview)
		if !slices.Equal(s.names, names) {
			t.Fatalf("seed %d: the preview has changed the machine", seed)
		}
		run := execute(t, context.Background(), p, s, ModeRun)
		done := map[string]StepResult{}
		for _, r := range run.Steps {
			done[key(r)] = r
		}
		for _, planned := range preview.Steps {
			all++
			if planned.Conditional != "" {
				continue
			}
			sure++
			r, ok := done[key(planned)]
			if got, want := describe(r, r.Made), describe(planned, planned.Planned.Changes); !ok || got != want {
				t.Fatalf("seed %d: step %s: planned %q, done %q\n%s\npreview:\n%s\nrun:\n%s", seed, key(planned), want, got,
					text, outline(preview, ModePreview), outline(run, ModeRun))
			}
		}
	}
	tally.Add(t, "%d playbooks; the preview was sure of %d of %d steps (%.0f %%)", rounds, sure, all, 100*float64(sure)/float64(all))
}

func key(r StepResult) string {
	if r.Step.Item != nil {
		return fmt.Sprintf("%s[%d]", r.Step.ID, *r.Step.Item)
	}
	return r.Step.ID
}

func describe(r StepResult, changes []sdk.Change) string {
	text := string(r.Status)
	for _, c := range changes {
		text += " " + string(c.Kind) + " " + c.Resource.Name
	}
	return text
}
