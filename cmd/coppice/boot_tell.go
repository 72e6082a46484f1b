package main

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	journal := a.journal()
	if journal == nil && !boot.InInitrd("/") {
		return nil
	}
	return func(run engine.RunStarted, event engine.Event) {
		e, any := bootEntry(run, event)
		switch {
		case !any:
		case journal != nil:
			_ = journal(e) // what it does not take is lost; the report of the run says the same
		default:
			leave(untoldBoot, e)
		}
	}
}

// journal sends entries to the journal that one of the streams is connected to; nil: none is.
func (a *app) journal() func(report.Entry) error {
	out, isFile := a.out.(*os.File)
	stderr, errIsFile := a.err.(*os.File)
	if !isFile || !errIsFile {
		return nil
	}
	return report.Detect(out, stderr, os.Getenv).Journal
}

// untoldBoot is where an initrd without a journal leaves what there is to tell. Whoever confirms the boot tells it.
const untoldBoot = volatileState + "/boot-untold.json"

// leave leaves an entry. Where that fails the kernel's log has the lines of the run all the same.
func leave(file string, e report.Entry) {
	if data, err := json.Marshal(e); err == nil && os.MkdirAll(filepath.Dir(file), 0o700) == nil {
		_ = os.WriteFile(file, data, 0o600)
	}
}

// tellLeft tells the journal what an initrd has left, once.
func tellLeft(file string, journal func(report.Entry) error) {
	data, err := os.ReadFile(file)
	if err != nil || journal == nil {
		return
	}
	var e report.Entry
	if json.Unmarshal(data, &e) != nil || journal(e) == nil {
		_ = os.Remove(file) // told once more is no harm
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
