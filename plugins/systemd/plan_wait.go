package systemd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// waitPrivate is what Apply waits for: nothing if Wait is false.
type waitPrivate struct {
	Unit string
	Wait bool
	Out  JobOutput
}

type waitPlan = sdk.Planned[JobOutput, waitPrivate]

// reached reports whether a state is what is waited for.
func reached(state, want string) bool {
	if want == "stopped" {
		return state == inactive || state == failed
	}
	return state == want
}

// planWait decides whether there is anything to wait for.
func planWait(v *View, name, want string) (waitPlan, error) {
	u, err := v.Unit(name)
	if err != nil {
		return waitPlan{}, err
	}
	if u.Load == "not-found" && !u.running() {
		return waitPlan{}, v.missing(name)
	}
	out := JobOutput{Unit: u.ID, Previous: u.State, State: u.State}
	planned := waitPlan{Outputs: out, Private: waitPrivate{Unit: u.ID, Out: out}}
	if reached(u.State, want) {
		planned.Facts = jobFacts{Unit: u.ID, State: u.State}
		planned.Kept = []sdk.Kept{{Resource: named(u.ID), Reason: "is " + u.State + " already"}}
		return planned, nil
	}
	planned.Private.Wait, planned.Unknown = true, []string{"/state"}
	planned.Facts = jobFacts{Unit: u.ID, Verb: "wait"}
	planned.Changes = []sdk.Change{{Kind: sdk.Run, Resource: named(u.ID), Summary: fmt.Sprintf("wait until it is %s; it is %s", strings.Replace(want, "stopped", "inactive or failed", 1), u.State)}}
	return planned, nil
}

// statusOf is what systemd.status says.
func statusOf(v *View, name string, optional bool) (sdk.Planned[StatusOutput, sdk.None], error) {
	var planned sdk.Planned[StatusOutput, sdk.None]
	u, err := v.Unit(name)
	if err != nil {
		return planned, err
	}
	exists := u.Load != "not-found" || u.running()
	if !exists && !optional {
		return planned, v.missing(name)
	}
	planned.Outputs = StatusOutput{
		Unit: u.ID, Exists: exists, Description: u.Description, State: u.State, Running: u.running(), Sub: u.Sub, Enabled: u.File,
		MainPID: u.MainPID, Result: u.Result, ExitCode: u.ExitCode, Restarts: u.Restarts, Memory: sdk.Size(u.Memory), File: u.Path,
		Since: microseconds(u.Since),
	}
	planned.Outputs.Dependents = []string{}
	if u.running() {
		all, err := v.with(u, stop)
		if err != nil {
			return planned, err
		}
		for _, e := range slices.Backward(all) {
			if e.unit != u {
				planned.Outputs.Dependents = append(planned.Outputs.Dependents, e.unit.ID)
			}
		}
	}
	if over := v.prior[u.ID]; over.State != "" { // what will be is not known in more detail
		planned.Unknown = []string{"/sub", "/since", "/main_pid", "/result", "/exit_code", "/restarts", "/memory"}
	}
	if u.File == unknownFile {
		planned.Unknown = append(planned.Unknown, "/enabled")
	}
	planned.Summary = u.ID + " is " + u.State
	if !exists {
		planned.Summary = "there is no " + name
	}
	return planned, nil
}
