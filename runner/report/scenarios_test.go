package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

func runScenarios() []scenario {
	const mode = engine.ModeRun
	many := func() []sdk.Change {
		var all []sdk.Change
		for i := range 300 {
			all = append(all, change(sdk.Create, fmt.Sprintf("snapshots/container-%03d/20260330T060000Z", i), "read-only snapshot", ""))
		}
		return all
	}()
	var items []any
	for i, s := range []string{"root", "home", "srv"} {
		items = append(items, runStep(item(take, i, s), snapshots()[i:i+1], 1, 30*time.Millisecond, engine.StepResult{})...)
	}
	var manyItems []any
	for i := range 40 {
		manyItems = append(manyItems, engine.StepStarted{Step: item(take, i, fmt.Sprintf("s%02d", i))},
			ok(item(take, i, fmt.Sprintf("s%02d", i)), time.Millisecond))
	}
	manyItems = append(manyItems, without(item(take, 40, "s40"), engine.Unreached, "an earlier item failed"))
	return []scenario{
		{"success", script(started(mode, 3),
			engine.StepStarted{Step: space}, 20*time.Millisecond, read(space, usage, 20*time.Millisecond),
			engine.StepLog{Step: take, Plugin: "btrfs", Level: "info", Message: "one transaction, otransid 81223\n"},
			engine.StepLog{Plugin: "btrfs", Level: "debug", Message: "opened fd 7"},
			runStep(take, snapshots(), 4, 120*time.Millisecond, engine.StepResult{Diagnostics: []sdk.Diagnostic{lowSpace}}),
			runStep(expire, expired(3), 3, 590*time.Millisecond, engine.StepResult{}),
			without(scrub, engine.Skipped, "its condition is false"),
			without(alert, engine.Unreached, "the run did not fail"),
			engine.RunFinished{Run: "20260330T060000Z-7f3a", Mode: mode, Status: engine.Succeeded, Changes: engine.Totals{Create: 4, Delete: 3},
				Steps:    map[engine.Status]int{engine.OK: 1, engine.Changed: 2, engine.Skipped: 1, engine.Unreached: 1},
				Warnings: 1, Duration: 730 * time.Millisecond})},
		{"blocks", script(started(mode, 1), blocks(mode),
			finished(mode, engine.Succeeded, "", engine.Totals{Create: 4}, time.Second, map[engine.Status]int{engine.Changed: 1, engine.Rescued: 1, engine.Failed: 1}))},
		{"failure", script(started(mode, 3),
			runStep(take, snapshots(), 2, 120*time.Millisecond, engine.StepResult{Status: engine.Failed, Diagnostics: []sdk.Diagnostic{denied}}),
			without(expire, engine.Unreached, "step take failed"),
			runStep(alert, []sdk.Change{change(sdk.Run, "ntfy://alerts", "message to ntfy", "")}, 1, 80*time.Millisecond, engine.StepResult{}),
			finished(mode, engine.RunFailed, "step take: "+denied.Summary, engine.Totals{Create: 2, Run: 1}, time.Second,
				map[engine.Status]int{engine.Failed: 1, engine.Unreached: 1, engine.Changed: 1}))},
		{"hostile", script(started(mode, 1),
			engine.StepLog{Step: take, Plugin: "bt\x1b[2Jrfs", Level: "warn", Message: "first\nsecond\r\x1b]0;title\a"},
			runStep(item(take, 0, "a\nstep x: changed"), []sdk.Change{change(sdk.Create, hostileName, "of \u2066x\nrun 1: succeeded", "because\n")}, 1,
				10*time.Millisecond, engine.StepResult{Diagnostics: []sdk.Diagnostic{{Severity: sdk.SeverityError, Path: "/a\nb", Summary: "no\x00\x7f", Advice: "\x9b31m"}}}),
			runStep(expire, []sdk.Change{change(sdk.Delete, "スナップショット/とても長い名前のサブボリューム/とても長い名前/20260330T060000Z", "日本語の要約", "")}, 1, time.Second, engine.StepResult{}),
			finished(mode, engine.RunFailed, "a\x1b[Hb", engine.Totals{Create: 1, Delete: 1}, time.Second, nil))},
		{"many", script(started(mode, 1), runStep(take, many, 300, 4*time.Second, engine.StepResult{}),
			finished(mode, engine.Succeeded, "", engine.Totals{Create: 300}, 4*time.Second, map[engine.Status]int{engine.Changed: 1}))},
		{"items", script(started(mode, 1), items,
			runStep(take, snapshots()[:3], 0, 90*time.Millisecond, engine.StepResult{}),
			manyItems, finished(mode, engine.Succeeded, "", engine.Totals{Create: 3}, time.Second, map[engine.Status]int{engine.Changed: 3}))},
		{"cancelled", script(started(mode, 2), engine.StepStarted{Step: scrub},
			engine.StepProgress{Step: scrub, Current: 1 << 30, Total: 400 << 30, Unit: "bytes"}, 61*time.Second,
			engine.StepProgress{Step: scrub, Current: 40 << 30, Total: 400 << 30, Unit: "bytes", Message: "/dev/sda"}, time.Second,
			engine.StepProgress{Step: scrub, Current: 41 << 30, Total: 400 << 30, Unit: "bytes"},
			engine.StepFinished{StepResult: engine.StepResult{Step: scrub, Status: engine.Cancelled, Duration: 63 * time.Second,
				Diagnostics: []sdk.Diagnostic{{Severity: sdk.SeverityError, Reason: sdk.Cancelled, Summary: "the scrub was stopped at 10%"}}}},
			without(expire, engine.Unreached, "the run was stopped on request"),
			finished(mode, engine.RunCancelled, "stopped on request", engine.Totals{}, 63*time.Second,
				map[engine.Status]int{engine.Cancelled: 1, engine.Unreached: 1}))},
		{"timeout", script(started(mode, 2), engine.StepStarted{Step: scrub}, 30*time.Minute,
			engine.StepFinished{StepResult: engine.StepResult{Step: scrub, Status: engine.TimedOut, Duration: 30 * time.Minute,
				Diagnostics: []sdk.Diagnostic{{Severity: sdk.SeverityError, Summary: "its time was up after 30m"}}}},
			finished(mode, engine.RunTimedOut, "the run's time was up", engine.Totals{}, 30*time.Minute, map[engine.Status]int{engine.TimedOut: 1}))},
		{"nothing", script(started(mode, 1), engine.StepStarted{Step: take}, ok(take, 10*time.Millisecond),
			finished(mode, engine.Succeeded, "", engine.Totals{}, 20*time.Millisecond, map[engine.Status]int{engine.OK: 1}))},
		{"cut-off", script(started(mode, 1), engine.StepStarted{Step: take})},
	}
}

func planScenarios() []scenario {
	const mode = engine.ModePreview
	onFailure := engine.StepFinished{StepResult: engine.StepResult{Step: alert, Status: engine.Unreached, Why: "the run did not fail", Idle: true, Conditional: "only if the run fails"}}
	send := engine.StepRef{ID: "send", Title: "send", Uses: "backup.send", Section: "steps", Effect: "write"}
	var items []any
	for i, s := range []string{"root", "home", "srv"} {
		items = append(items, planStep(item(take, i, s), snapshots()[i:i+1], engine.StepResult{})...)
	}
	var many []sdk.Change
	for i := range 300 {
		many = append(many, change(sdk.Create, fmt.Sprintf("snapshots/container-%03d/20260330T060000Z", i), "read-only snapshot", ""))
	}
	slices.Reverse(items) // parallel items come in any order
	for i := 0; i+1 < len(items); i += 2 {
		items[i], items[i+1] = items[i+1], items[i]
	}
	return []scenario{
		{"plan", script(started(mode, 4),
			engine.StepStarted{Step: space}, read(space, usage, 20*time.Millisecond),
			engine.StepLog{Step: take, Plugin: "btrfs", Level: "info", Message: "looked at 298 snapshots"},
			planStep(take, snapshots(), engine.StepResult{Unknown: []string{"/created/0/uuid", "/otransid"},
				Outputs: json.RawMessage(`{"created":[{"path":"snapshots/root/20260330T060000Z","uuid":""}],"atomic":true}`)}),
			planStep(expire, expired(52), engine.StepResult{Planned: engine.PlannedStep{Kept: kept(246)}, Diagnostics: []sdk.Diagnostic{lowSpace}}),
			planStep(swap, []sdk.Change{swapChange}, engine.StepResult{}),
			planStep(scrub, nil, engine.StepResult{Status: engine.Skipped, Why: "its condition is false"}),
			planStep(metrics, []sdk.Change{change(sdk.Run, "/var/lib/node_exporter/coppice.prom", "write 14 metrics", "")}, engine.StepResult{}),
			onFailure,
			engine.RunFinished{Mode: mode, Status: engine.Succeeded, Changes: engine.Totals{Create: 4, Update: 1, Delete: 52, Run: 1}, Warnings: 1})},
		{"plan-conditional", script(started(mode, 3),
			planStep(take, snapshots(), engine.StepResult{}),
			planStep(send, []sdk.Change{change(sdk.Create, "backup/root", "full stream of root", "")},
				engine.StepResult{Conditional: "its input parent is steps.take.outputs.created[0].uuid, known after run"}),
			planStep(scrub, nil, engine.StepResult{Status: engine.OK, Conditional: "what it loops over is known after run"}),
			finished(mode, engine.Succeeded, "", engine.Totals{Create: 4, Conditional: 1}, time.Second, nil))},
		{"plan-unsure", script(started(mode, 1),
			planStep(scrub, nil, engine.StepResult{Status: engine.OK, Conditional: "whether it runs is decided at run"}),
			finished(mode, engine.Succeeded, "", engine.Totals{}, time.Second, nil))},
		{"plan-failure", script(started(mode, 2),
			planStep(take, nil, engine.StepResult{Status: engine.Failed, Diagnostics: []sdk.Diagnostic{denied}}),
			without(expire, engine.Unreached, "step take failed"),
			finished(mode, engine.RunFailed, "step take: cannot snapshot var-lib", engine.Totals{}, time.Second, nil))},
		{"plan-hostile", script(started(mode, 1),
			planStep(item(expire, 0, "\u202elabel\n"), []sdk.Change{change(sdk.Delete, hostileName, "", "a\nb")},
				engine.StepResult{Planned: engine.PlannedStep{Kept: []sdk.Kept{{Resource: sdk.Resource{Name: hostileName}, Reason: "\x1b[0m"}}},
					Outputs: json.RawMessage("{\"a\\nb\":\"\\u001b[31m\xff\"}")}),
			planStep(swap, []sdk.Change{{Kind: sdk.Update, Resource: sdk.Resource{Name: "k"}, Before: json.RawMessage(`{"a\n":"b\r"}`), After: json.RawMessage(`{}`)}}, engine.StepResult{}),
			finished(mode, engine.Succeeded, "", engine.Totals{Delete: 1}, time.Second, nil))},
		{"plan-many", script(started(mode, 1), planStep(take, append(expired(90), many...), engine.StepResult{}),
			finished(mode, engine.Succeeded, "", engine.Totals{Create: 300, Delete: 90}, time.Second, nil))},
		{"plan-blocks", script(started(mode, 1), blocks(mode),
			finished(mode, engine.Succeeded, "", engine.Totals{Create: 4}, time.Second, map[engine.Status]int{engine.Changed: 3}))},
		{"plan-items", script(started(mode, 1), items,
			finished(mode, engine.Succeeded, "", engine.Totals{Create: 3}, time.Second, nil))},
		{"plan-nothing", script(started(mode, 1), planStep(take, nil, engine.StepResult{Status: engine.OK}),
			finished(mode, engine.Succeeded, "", engine.Totals{}, time.Second, nil))},
		{"plan-cut-off", script(started(mode, 1), engine.StepStarted{Step: take})},
	}
}

// blocks is a block whose inner block fails, after a retry, and is rescued.
func blocks(mode engine.Mode) []any {
	ref := func(id, title, uses string, depth int) engine.StepRef {
		return engine.StepRef{ID: id, Title: title, Uses: uses, Section: engine.SectionSteps, Depth: depth}
	}
	guarded, inner := ref("guarded", "Quiesce and snapshot", "", 0), ref("inner", "inner", "", 1)
	deep := take
	deep.Depth = 2
	mend, tidy := ref("mend", "Look why", "btrfs.usage", 2), ref("tidy", "Start the database", "systemd.start", 1)
	spare := engine.StepResult{Step: ref("spare", "Not needed", "btrfs.list", 1), Status: engine.Unreached, Why: "block guarded did not fail", Idle: true}
	end := func(s engine.StepRef, status engine.Status, why string) engine.StepFinished {
		return engine.StepFinished{StepResult: engine.StepResult{Step: s, Status: status, Why: why, Duration: time.Second}}
	}
	if mode == engine.ModePreview {
		spare.Conditional = "only if block guarded fails"
		return script(engine.StepStarted{Step: guarded}, engine.StepStarted{Step: inner}, planStep(deep, snapshots(), engine.StepResult{}),
			end(inner, engine.Changed, ""), engine.StepFinished{StepResult: spare}, planStep(tidy, nil, engine.StepResult{Status: engine.OK}), end(guarded, engine.Changed, ""))
	}
	return script(engine.StepStarted{Step: guarded}, engine.StepStarted{Step: inner},
		engine.StepRetrying{Step: deep, Attempt: 2, Attempts: 3, Wait: 2 * time.Second, Reason: "the filesystem\nis busy"},
		runStep(deep, snapshots(), 4, time.Second, engine.StepResult{Status: engine.Failed, Attempts: 3, Diagnostics: []sdk.Diagnostic{denied}}),
		read(mend, nil, time.Millisecond), end(inner, engine.Rescued, "step take: "+denied.Summary),
		engine.StepFinished{StepResult: spare}, read(tidy, nil, time.Millisecond), end(guarded, engine.Changed, ""))
}
