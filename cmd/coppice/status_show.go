package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk/unit"
)

// showHealth prints it, what needs somebody first.
func (a *app) showHealth(h health) error {
	var b strings.Builder
	if len(h.Attention) == 0 {
		b.WriteString("All is well.\n")
	}
	showConcerns(&b, h.Attention)
	if len(h.Playbooks) > 0 {
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "\nPLAYBOOK\tLAST RUN\tOUTCOME\tCHANGES\tNEXT RUN\n")
		for _, p := range h.Playbooks {
			last, outcome, changes, next := "never", "-", "-", "-"
			if l := p.Last; l != nil {
				last, outcome, changes = when(l.Started, h.At), runStatus(l.Status), signs(l.Changes)
			}
			if !p.Next.IsZero() && p.Timer != "inactive" && p.Timer != "failed" {
				next = when(p.Next, h.At)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", diagnostic.Escape(p.Name), last, outcome, changes, next)
		}
		_ = w.Flush() // into memory
		b.WriteString(dueLines(h))
	}
	for _, f := range h.Filesystems {
		showFilesystem(&b, f, h.At)
	}
	if h.Boot != nil {
		showBootHealth(&b, *h.Boot, h.At)
	}
	if _, err := fmt.Fprint(a.out, b.String()); err != nil {
		return exit(exitFailed, err)
	}
	return nil
}

// showConcerns prints what needs somebody, and what to do about it.
func showConcerns(b *strings.Builder, all []concern) {
	for _, c := range all {
		sign := "!"
		if c.Level == levelError {
			sign = "✗"
		}
		fmt.Fprintf(b, "%s %s: %s\n", sign, diagnostic.Escape(c.About), diagnostic.Escape(c.What))
		if c.Mend != "" {
			fmt.Fprintf(b, "    %s\n", diagnostic.Escape(c.Mend))
		}
	}
}

// dueLines tell what is done when it is due.
func dueLines(h health) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nWORK\tLAST\tDUE\n")
	any := false
	for _, p := range h.Playbooks {
		for _, d := range p.Due {
			any = true
			last, due := "never", "at the next run"
			if !d.Last.IsZero() {
				last = when(d.Last, h.At)
			}
			if !d.Due && !d.Next.IsZero() {
				due = when(d.Next, h.At)
			}
			fmt.Fprintf(w, "%s of %s\t%s\t%s\n", diagnostic.Escape(d.Step), diagnostic.Escape(p.Name), last, due)
		}
	}
	_ = w.Flush() // into memory
	if !any {
		return ""
	}
	return b.String()
}

func showFilesystem(b *strings.Builder, f filesystemHealth, now time.Time) {
	if f.Problem != "" {
		return // it stands above
	}
	errors := "no new errors"
	if len(f.Errors) > 0 {
		errors = strings.Join(f.Errors, ", ")
	}
	if f.Missing > 0 {
		errors += fmt.Sprintf(", %d missing", f.Missing)
	}
	held := "unknown"
	if f.Held != nil {
		held = "at least " + unit.FormatSize(*f.Held)
	}
	fmt.Fprintf(b, "\nFILESYSTEM %s  %s\n", diagnostic.Escape(f.Filesystem), f.UUID)
	fmt.Fprintf(b, "  %s free (%.0f %%)  devices: %d, %s  held by snapshots alone: %s\n",
		unit.FormatSize(f.Free), 100*f.FreeRatio, f.Devices, diagnostic.Escape(errors), held)
	if len(f.Snapshots) == 0 {
		b.WriteString("  no snapshots\n")
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  SNAPSHOTS OF\tCOUNT\tOLDEST\tNEWEST\n")
	for _, k := range f.Snapshots {
		count := fmt.Sprint(k.Count)
		if k.Foreign > 0 {
			count += fmt.Sprintf(", %d foreign", k.Foreign)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", orDash(diagnostic.Escape(k.Source)), count, when(k.Oldest, now), when(k.Newest, now))
	}
	_ = w.Flush() // into memory
}

func showBootHealth(b *strings.Builder, h bootHealth, now time.Time) {
	b.WriteString("\nBOOT\n")
	if h.LastResult == "" {
		b.WriteString("  no boot has rolled the root back yet")
	} else {
		confirmed := "confirmed"
		if !h.Confirmed {
			confirmed = "not confirmed"
		}
		fmt.Fprintf(b, "  the last: %s, %s, %s", h.LastResult, when(h.LastAt, now), confirmed)
	}
	fmt.Fprintf(b, "; the next: %s\n", h.Next)
	if h.Archives > 0 {
		fmt.Fprintf(b, "  %s, from %s to %s\n", report.Count(h.Archives, "archived root"), when(h.Oldest, now), when(h.Newest, now))
	}
}
