package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// A scenario is a script of events; a time.Duration in it lets time pass.
type scenario struct {
	name   string
	script []any
}

var instant = time.Date(2026, 3, 30, 6, 0, 0, 0, time.UTC)

func started(mode engine.Mode, steps int) engine.RunStarted {
	return engine.RunStarted{
		Run: "20260330T060000Z-7f3a", Mode: mode, Playbook: "snapshot-rotation",
		Description: "Snapshot the critical subvolumes together, then expire old snapshots.",
		File:        "/etc/coppice/playbooks/snapshot-rotation.yaml", Instant: instant, Steps: steps,
		Inputs: map[string]any{"filesystem": "/", "retention": "30d", "scope": "critical", "webhook": nil, "keep": 14,
			"sources": []any{"root", "home"}},
	}
}

func finished(mode engine.Mode, status engine.RunStatus, reason string, t engine.Totals, took time.Duration,
	steps map[engine.Status]int) engine.RunFinished {
	return engine.RunFinished{Run: "20260330T060000Z-7f3a", Mode: mode, Status: status, Reason: reason, Changes: t,
		Steps: steps, Duration: took}
}

var (
	space   = engine.StepRef{ID: "space", Title: "space", Uses: "btrfs.usage", Section: "steps", Effect: "read"}
	take    = engine.StepRef{ID: "take", Title: "Snapshot 4 subvolumes", Uses: "btrfs.snapshot", Section: "steps", Effect: "write"}
	expire  = engine.StepRef{ID: "expire", Title: "Expire old snapshots", Uses: "btrfs.expire", Section: "steps", Effect: "destroy"}
	swap    = engine.StepRef{ID: "swappiness", Title: "swappiness", Uses: "sysctl.set", Section: "steps", Effect: "write"}
	scrub   = engine.StepRef{ID: "scrub", Title: "Scrub /", Uses: "btrfs.scrub", Section: "steps", Effect: "write"}
	alert   = engine.StepRef{ID: "alert", Title: "Tell somebody", Uses: "notify.send", Section: "on_failure", Effect: "write"}
	metrics = engine.StepRef{ID: "metrics", Title: "metrics", Uses: "notify.metrics", Section: "always", Effect: "write"}
)

func item(s engine.StepRef, i int, label string) engine.StepRef {
	s.Item, s.Label = &i, label
	return s
}

func change(kind sdk.Kind, name, summary, reason string) sdk.Change {
	return sdk.Change{Kind: kind, Summary: summary, Reason: reason,
		Resource: sdk.Resource{Type: "btrfs.subvolume", Scope: "6b1e", Name: name}}
}

func snapshots() []sdk.Change {
	var all []sdk.Change
	for _, s := range []string{"root", "home", "var-lib", "srv"} {
		all = append(all, change(sdk.Create, "snapshots/"+s+"/20260330T060000Z", "read-only snapshot of "+s, ""))
	}
	return all
}

func expired(n int) []sdk.Change {
	var all []sdk.Change
	for i := range n {
		at := instant.Add(-31*24*time.Hour - time.Duration(2+6*i)*time.Hour)
		all = append(all, change(sdk.Delete, "snapshots/root/"+at.Format("20060102T150405Z"), "",
			fmt.Sprintf("older than 30d (%s): no rule keeps it", Duration(instant.Sub(at)))))
	}
	return all
}

func kept(n int) []sdk.Kept {
	var all []sdk.Kept
	for i := range n {
		at := instant.Add(-time.Duration(6*i) * time.Hour)
		all = append(all, sdk.Kept{Resource: sdk.Resource{Name: "snapshots/root/" + at.Format("20060102T150405Z")}, Reason: "younger than 30d"})
	}
	return all
}

var swapChange = sdk.Change{Kind: sdk.Update, Resource: sdk.Resource{Type: "sysctl", Name: "vm.swappiness"}, Reason: "the playbook says so",
	Before: json.RawMessage(`{"value":60,"file":"/etc/sysctl.d/50.conf","comment":null}`),
	After:  json.RawMessage(`{"value":10,"file":"/etc/sysctl.d/50.conf","persist":true,"comment":null}`)}

var usage = json.RawMessage(`{"free_ratio":0.4213891,"total_bytes":2000398934016,"devices":["/dev/sda","/dev/sdb"],"label":"tank","x":{"y":1}}`)

func ok(s engine.StepRef, took time.Duration) engine.StepFinished {
	return engine.StepFinished{StepResult: engine.StepResult{Step: s, Status: engine.OK, Duration: took}}
}

func read(s engine.StepRef, out json.RawMessage, took time.Duration) engine.StepFinished {
	e := ok(s, took)
	e.Outputs = out
	return e
}

// runStep is a step that made some of its changes.
func runStep(s engine.StepRef, planned []sdk.Change, made int, took time.Duration, end engine.StepResult) []any {
	events := []any{engine.StepStarted{Step: s}, engine.StepPlanned{Step: s, Plan: engine.PlannedStep{Changes: planned}}}
	for _, c := range planned[:made] {
		events = append(events, engine.ChangeMade{Step: s, Change: c})
	}
	end.Step, end.Planned.Changes, end.Made, end.Duration = s, planned, planned[:made], took
	if end.Status == "" {
		end.Status = engine.Changed
	}
	return append(events, took, engine.StepFinished{StepResult: end})
}

// planStep is a step of a preview.
func planStep(s engine.StepRef, planned []sdk.Change, end engine.StepResult) []any {
	end.Step, end.Planned.Changes, end.Duration = s, planned, 20*time.Millisecond
	if end.Status == "" {
		end.Status = engine.Changed
	}
	return []any{engine.StepStarted{Step: s}, engine.StepFinished{StepResult: end}}
}

func script(parts ...any) []any {
	var all []any
	for _, p := range parts {
		if list, ok := p.([]any); ok {
			all = append(all, list...)
		} else {
			all = append(all, p)
		}
	}
	return all
}

func without(s engine.StepRef, status engine.Status, why string) engine.StepFinished {
	return engine.StepFinished{StepResult: engine.StepResult{Step: s, Status: status, Why: why, Idle: why == "the run did not fail"}}
}

var denied = sdk.Diagnostic{Severity: sdk.SeverityError, Reason: sdk.NotPermitted, Path: "/sources/2",
	Summary: "cannot snapshot var-lib: operation not permitted on a filesystem that is mounted read-only at this place",
	Advice:  "run coppice as root, or remount the filesystem read-write"}

var lowSpace = sdk.Diagnostic{Severity: sdk.SeverityWarning, Summary: "less than 10% of the filesystem is free", Advice: "add a device"}

const hostileName = "snapshots/ro\not\x1b[31m\u202egnp.exe\xff\t"
