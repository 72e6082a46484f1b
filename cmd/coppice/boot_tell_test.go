package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/boot"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

func TestBootEntry(t *testing.T) {
	archived := []boot.ArchivedPlace{{Place: "root", Path: "old_roots/root-1"}}
	for name, c := range map[string]struct {
		uses    string
		status  engine.Status
		out     any
		failure string
		want    string // id and message; "": nothing
		level   int
	}{
		"clean":     {"btrfs.rollback", engine.Changed, boot.RollbackOutput{Result: "rolled-back", Root: "root", Archived: archived}, "", boot.RolledBackID + ` the root is a clean one; the old one is "old_roots/root-1"`, 5},
		"reused":    {"btrfs.rollback", engine.OK, boot.RollbackOutput{Result: "reused", Root: "root"}, "", boot.RolledBackID + " the root is clean still, and stays", 5},
		"used":      {"btrfs.rollback", engine.Changed, boot.RollbackOutput{Result: "used", Why: "x was asked for", Root: "root", Archived: archived}, "", boot.RolledBackID + ` the root is another one: x was asked for; the old one is "old_roots/root-1"`, 5},
		"fell back": {"btrfs.rollback", engine.Changed, boot.RollbackOutput{Result: "fell-back", Why: "3 boots in a row were not confirmed", Root: "root"}, "", boot.FellBackID + " a copy of the last confirmed root is the root: 3 boots in a row were not confirmed", 4},
		"skipped":   {"btrfs.rollback", engine.OK, boot.RollbackOutput{Result: "skipped", Why: "switched off"}, "", boot.SkippedID + " the root stays as it is: switched off", 4},
		"done":      {"btrfs.rollback", engine.OK, boot.RollbackOutput{Result: "done"}, "", "", 0},
		"refused":   {"btrfs.rollback", engine.Failed, nil, "the root stays as it is: it is full", boot.RefusedID + " the root stays as it is: it is full", 3},
		"broken":    {"btrfs.rollback", engine.Errored, nil, "the plugin died", "", 0},
		"confirmed": {"btrfs.boot_confirm", engine.Changed, boot.ConfirmOutput{UUID: "u"}, "", boot.ConfirmedID + " this boot is confirmed: its root u is the one to come back to", 5},
		"again":     {"btrfs.boot_confirm", engine.OK, boot.ConfirmOutput{UUID: "u"}, "", "", 0},
		"other":     {"btrfs.snapshot", engine.Changed, nil, "", "", 0},
	} {
		outputs, err := json.Marshal(c.out)
		if err != nil {
			t.Fatal(err)
		}
		r := engine.StepResult{Step: engine.StepRef{ID: "s", Uses: c.uses}, Status: c.status, Outputs: outputs}
		if c.failure != "" {
			r.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: c.failure}, {Severity: sdk.SeverityWarning, Summary: "careful"}}
		}
		run := engine.RunStarted{Run: "r", Playbook: "boot-rollback", Mode: engine.ModeRun}
		e, any := bootEntry(run, engine.StepFinished{StepResult: r})
		if got := strings.TrimSpace(e.MessageID + " " + e.Message); any != (c.want != "") || any && (got != c.want || e.Priority != c.level || e.Run != "r") {
			t.Errorf("%s: %v %+v, want %s", name, any, e, c.want)
		}
		run.Mode = engine.ModePreview
		if _, any := bootEntry(run, engine.StepFinished{StepResult: r}); any {
			t.Errorf("%s: a preview is told", name)
		}
	}
}

// TestToldLater: what an initrd without a journal has left is told once, by one with a journal.
func TestToldLater(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run", "untold.json")
	left := report.Entry{Priority: 5, Message: "the root is a clean one", MessageID: boot.RolledBackID, Run: "r"}
	leave(file, left)
	tellLeft(file, nil)
	tellLeft(file, func(report.Entry) error { return errors.New("no") })
	var told []report.Entry
	tell := func(e report.Entry) error { told = append(told, e); return nil }
	tellLeft(file, tell)
	tellLeft(file, tell)
	if len(told) != 1 || told[0] != left {
		t.Errorf("%+v", told)
	}
}
