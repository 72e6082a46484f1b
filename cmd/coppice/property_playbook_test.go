package main

import (
	"fmt"
	"strings"
)

// playbookWriter writes random playbooks of the btrfs actions for a scene.
type playbookWriter struct {
	*scene
	text    strings.Builder
	count   int
	managed []listedSubvolume
	// Steps at the top whose outputs are always there.
	lists, takes, creates []string
	unsure                bool // earlier steps may not have run where the next one stands
}

func (w *playbookWriter) playbook() string {
	w.text.WriteString("version: 1\nname: random\nsteps:\n")
	w.steps("  ", 6, 0)
	for _, section := range []string{"on_failure", "always"} {
		if w.chance(3) {
			w.text.WriteString(section + ":\n")
			w.unsure = true
			w.steps("  ", 2, 1)
		}
	}
	return w.text.String()
}

func (w *playbookWriter) condition() string {
	switch n := w.r.IntN(12); {
	case n < 7:
		return ""
	case n < 8 && len(w.lists) > 0 && !w.unsure:
		return fmt.Sprintf("if: steps.%s.outputs.count > %d, ", w.pick(w.lists), w.r.IntN(12))
	case n < 9 && len(w.takes) > 0 && !w.unsure: // known after run only
		return fmt.Sprintf("if: steps.%s.outputs.attempts %% 2 == %d, ", w.pick(w.takes), w.r.IntN(2))
	case n < 10 && len(w.creates) > 0 && !w.unsure:
		return fmt.Sprintf("if: steps.%s.changed, ", w.pick(w.creates))
	case n < 11:
		return "if: success(), "
	}
	return "if: \"!cancelled()\", "
}

func (w *playbookWriter) steps(indent string, most, depth int) {
	for range 1 + w.r.IntN(most) {
		w.count++
		id := fmt.Sprintf("s%d", w.count)
		condition := w.condition()
		head := fmt.Sprintf("%s- {id: %s, %s", indent, id, condition)
		if w.chance(6) {
			head += "continue_on_error: true, "
			condition += " "
		}
		always := depth == 0 && condition == ""
		unsure := w.unsure
		w.unsure = unsure || strings.Contains(condition, "()")
		fs := "filesystem: " + quoted(w.fs.Mount)
		switch n := w.r.IntN(20); {
		case n < 1:
			fmt.Fprintf(&w.text, "%suses: btrfs.usage, with: {%s}}\n", head, fs)
		case n < 4:
			fmt.Fprintf(&w.text, "%suses: btrfs.list, with: {%s, under: %s, count_only: %v}}\n", head, fs, w.pick([]string{`""`, "snapshots"}), w.chance(4))
			if always {
				w.lists = append(w.lists, id)
			}
		case n < 6:
			name := w.pick([]string{"new one", "new2", "plain/folder/new", "plain", "nowhere/x", w.pick(w.sources), w.pick(w.sources) + "/made"})
			fmt.Fprintf(&w.text, "%suses: btrfs.create, with: {%s, subvolume: %s}}\n", head, fs, quoted(name))
			if always {
				w.creates = append(w.creates, id)
			}
		case n < 10:
			fmt.Fprintf(&w.text, "%suses: btrfs.snapshot, with: {%s, sources: %s, %s}}\n", head, fs, w.wanted(), w.taking())
			if always {
				w.takes = append(w.takes, id)
			}
		case n < 11 && depth < 2: // each for itself, into a folder of the step's own
			parallel := ""
			if w.chance(2) {
				parallel = "max_parallel: 3, "
			}
			fmt.Fprintf(&w.text, "%s%sfor_each: %s, uses: btrfs.snapshot, with: {%s, sources: [\"${{ item }}\"], into: %q, clock: rtc}}\n",
				head, parallel, w.expressions(w.some(w.sources)), fs, "each-"+id)
		case n < 14:
			fmt.Fprintf(&w.text, "%suses: btrfs.prune, with: {%s, %s}}\n", head, fs, w.pruning())
		case n < 15 && len(w.lists) > 0 && !w.unsure:
			fmt.Fprintf(&w.text, "%sfor_each: \"filter(steps.%s.outputs.subvolumes, #.managed)\", uses: btrfs.delete, with: {%s, subvolumes: [\"${{ item.path }}\"]}}\n",
				head, w.pick(w.lists), fs)
		case n < 17 && len(w.managed) > 0:
			fmt.Fprintf(&w.text, "%suses: btrfs.delete, with: {%s, subvolumes: %s}}\n", head, fs, w.doomed())
		case depth < 2:
			fmt.Fprintf(&w.text, "%s- id: %s\n", indent, id)
			if c := strings.TrimSuffix(strings.TrimSpace(condition), ","); c != "" {
				fmt.Fprintf(&w.text, "%s  %s\n", indent, c)
			}
			for _, part := range []string{"block", "rescue", "always"} {
				if part == "block" || w.chance(2) {
					fmt.Fprintf(&w.text, "%s  %s:\n", indent, part)
					before := w.unsure
					w.unsure = before || part != "block"
					w.steps(indent+"    ", 2, depth+1)
					w.unsure = before
				}
			}
		default:
			fmt.Fprintf(&w.text, "%suses: btrfs.list, with: {%s}}\n", head, fs)
		}
		w.unsure = unsure
	}
}

// wanted are the sources of a snapshot, now and then one that does not exist.
func (w *playbookWriter) wanted() string {
	sources := w.some(w.sources)
	if w.chance(6) {
		sources = append(sources, "missing")
	}
	return quoted(sources)
}

func (w *playbookWriter) taking() string {
	return fmt.Sprintf("into: %s, on_missing: %s, read_only: %v, clock: rtc",
		w.pick([]string{"snapshots", "snapshots", "other folder"}), w.pick([]string{"fail", "skip"}), !w.chance(6))
}

func (w *playbookWriter) pruning() string {
	text := "clock: rtc"
	if w.chance(3) {
		text = "clock: " + w.pick([]string{"rtc", "system"})
	}
	if w.chance(2) {
		text += ", sources: " + w.wanted() + ", on_missing: " + w.pick([]string{"fail", "skip"})
	}
	for _, rule := range []string{"last", "hourly", "daily", "weekly", "monthly", "yearly", "max_deletes"} {
		if w.chance(4) {
			text += fmt.Sprintf(", %s: %d", rule, 1+w.r.IntN(3))
		}
	}
	if w.chance(2) {
		text += fmt.Sprintf(", within: %dh", 1+w.r.IntN(1000))
	} else if !strings.Contains(text, "ly: ") && !strings.Contains(text, "last: ") {
		text += ", last: 2"
	}
	if w.chance(4) {
		text += ", at_least: 2"
	}
	if w.chance(5) {
		text += ", snapshots: other folder"
	}
	return text
}

// doomed are snapshots to delete, by path or UUID, now and then what is none.
func (w *playbookWriter) doomed() string {
	var all []string
	for range 1 + w.r.IntN(2) {
		m := w.managed[w.r.IntN(len(w.managed))]
		all = append(all, w.pick([]string{m.Path, m.UUID}))
	}
	if w.chance(8) {
		all = append(all, w.sources[0])
	}
	return quoted(all)
}

// expressions is a list as for_each has it.
func (w *playbookWriter) expressions(names []string) string { return quoted(names) }
