package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/calendar"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/runner/report/picture"
)

// late is how much later than planned a run may come, beyond its random delay: timers are exact to the minute, and another run may
// have the filesystem.
const late = time.Hour

// worries are what of a machine's health needs somebody, errors first.
func worries(h health) []concern {
	all := []concern{}
	add := func(level, about, mend, format string, args ...any) {
		all = append(all, concern{Level: level, About: about, What: fmt.Sprintf(format, args...), Mend: mend})
	}
	for _, p := range h.Playbooks {
		all = append(all, p.worries(h.At)...)
	}
	for _, f := range h.Filesystems {
		switch {
		case f.Problem != "":
			add(levelError, f.Filesystem, "", "%s", f.Problem)
			continue
		case f.FreeRatio < picture.LittleFree:
			add(levelError, f.Filesystem, "delete what is not needed, or a shorter retention: coppice plan snapshot-rotation",
				"only %.0f %% is free", 100*f.FreeRatio)
		}
		if f.Missing > 0 {
			add(levelError, f.Filesystem, "btrfs filesystem show; btrfs replace", "%s missing", are(f.Missing, "device"))
		}
		if len(f.Errors) > 0 {
			add(levelError, f.Filesystem, "look at the device; when it is mended: coppice run monthly-maintenance -i acknowledge_errors=true",
				"devices have new errors: %s", strings.Join(f.Errors, ", "))
		}
	}
	if b := h.Boot; b != nil {
		switch {
		case b.unfinished != "":
			add(levelWarning, "boot", "the next boot goes on with it", "%s", b.unfinished)
		case b.Off != "":
			add(levelWarning, "boot", "coppice boot on", "rollback is off: %s", b.Off)
		case b.Next == "refused":
			add(levelError, "boot", "coppice boot plan", "the next boot will not roll the root back: %s", strings.Join(b.NextWhy, "; "))
		}
		if !b.Confirmed && b.Unconfirmed > 1 {
			add(levelWarning, "boot", "when all is well: coppice boot confirm", "%d boots in a row were not confirmed", b.Unconfirmed)
		}
	}
	for _, hold := range h.Holds {
		add(levelWarning, "machine", "take it away when all is clear", "nothing is deleted: %s", hold)
	}
	if len(h.Playbooks) == 0 {
		add(levelWarning, "machine", "coppice install snapshot-rotation", "no playbook is installed, so nothing runs by itself")
	}
	sortConcerns(all)
	return all
}

func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return report.Count(n, noun) + " are"
}

// worries are those about one playbook.
func (p playbookHealth) worries(now time.Time) []concern {
	var all []concern
	add := func(level, mend, format string, args ...any) {
		all = append(all, concern{Level: level, About: p.Name, What: fmt.Sprintf(format, args...), Mend: mend})
	}
	if p.Unit != "" {
		add(levelError, "journalctl -u "+serviceOf(p.Name), "its service has failed: %s", p.Unit)
	}
	if l := p.Last; l != nil && p.Unit == "" {
		switch l.Status {
		case engine.RunFailed, engine.RunTimedOut:
			add(levelError, "coppice runs show "+l.Run, "the last run %s, %s: %s", strings.ReplaceAll(string(l.Status), "_", " "), ago(now.Sub(l.Started)), l.Reason)
		case journal.Interrupted:
			add(levelWarning, "coppice resume "+l.Run, "the last run was cut off, %s", ago(now.Sub(l.Started)))
		}
	}
	switch p.Timer {
	case "inactive", "failed":
		add(levelError, "systemctl enable --now "+timerOf(p.Name), "its timer is %s, so it does not run", p.Timer)
	}
	if p.Fails != "" {
		add(levelError, "coppice plan "+p.Name, "it would fail now: %s", p.Fails)
	}
	if by := p.overdue(); !by.IsZero() && now.After(by) {
		add(levelError, "systemctl status "+timerOf(p.Name), "it has not succeeded since %s", p.LastSuccess.Local().Format("2006-01-02 15:04"))
	}
	return all
}

// overdue is when the second run after the last success would have had to be there; zero if nobody can tell. One may fail and be made
// up for; two are a pattern.
func (p playbookHealth) overdue() time.Time {
	if p.Calendar == "" || p.LastSuccess.IsZero() {
		return time.Time{}
	}
	c, err := calendar.Parse(p.Calendar, time.Local)
	if err != nil {
		return time.Time{}
	}
	first, ok := c.Next(p.LastSuccess)
	if !ok {
		return time.Time{}
	}
	second, ok := c.Next(first)
	if !ok {
		return time.Time{}
	}
	return second.Add(p.within + late)
}
