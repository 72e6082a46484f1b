package main

import (
	"os"
	"strings"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

// priorityNotice is syslog(3)'s.
const priorityNotice = 5

// tellBoots tells the journal what a boot came to, in entries that can be found by their MESSAGE_ID; nil: no journal listens.
func (a *app) tellBoots() func(engine.RunStarted, engine.Event) {
	out, isFile := a.out.(*os.File)
	stderr, errIsFile := a.err.(*os.File)
	if !isFile || !errIsFile {
		return nil
	}
	journal := report.Detect(out, stderr, os.Getenv).Journal
	if journal == nil {
		return nil
	}
	return func(run engine.RunStarted, event engine.Event) {
		if e, any := bootEntry(run, event); any {
			_ = journal(e) // what it does not take is lost; the report of the run says the same
		}
	}
}

// bootEntry is what there is to tell of a step that has ended.
func bootEntry(run engine.RunStarted, event engine.Event) (e report.Entry, any bool) {
	f, is := event.(engine.StepFinished)
	action, ours := strings.CutPrefix(f.Step.Uses, "btrfs.")
	if !is || !ours || run.Mode != engine.ModeRun {
		return e, false
	}
	e = report.Entry{Priority: priorityNotice, Run: run.Run, Playbook: diagnostic.Escape(run.Playbook), Step: f.Step.ID, Plugin: "btrfs", Status: string(f.Status)}
	switch {
	case f.Status == engine.Changed || f.Status == engine.OK && action == "rollback":
		told, any := boot.Tell(action, f.Outputs)
		if told.Grave {
			e.Priority = syslogWarning
		}
		e.MessageID, e.Message = told.ID, diagnostic.Escape(told.Message)
		return e, any
	case f.Status == engine.Failed && action == "rollback":
		e.Priority, e.MessageID, e.Message = syslogError, boot.RefusedID, "the root was not rolled back"
		var why []string
		for _, d := range f.Diagnostics {
			if d.Severity == sdk.SeverityError {
				why = append(why, d.Summary)
			}
		}
		if len(why) > 0 {
			e.Message = diagnostic.Escape(strings.Join(why, "; "))
		}
		return e, true
	}
	return e, false
}
