package plugintest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// notApplied asks for a reading action to be applied, which has nothing to apply.
func (t *trial) notApplied(ctx context.Context, plan *sdk.Plan) {
	before, ok := t.observe(ctx)
	if !ok {
		return
	}
	if _, ok := t.perform(ctx, "", plan); !ok {
		return // perform has told
	}
	if after, ok := t.observe(ctx); ok {
		t.find(runsAsPlanned, before.compare(after))
	}
}

// applying makes the checks of Apply. The process has not seen the plan before.
func (t *trial) applying(ctx context.Context, plan *sdk.Plan) {
	before, ok := t.observe(ctx)
	if !ok {
		return
	}
	check := theCase
	if t.launcher != nil {
		check = planTravels
	}
	result, ok := t.perform(ctx, check, plan)
	if !ok {
		return
	}
	t.find(check, "")
	t.find(oneResult, "")
	after, ok := t.observe(ctx)
	if !ok {
		return
	}
	t.find(runsAsPlanned, t.asPlanned(plan, result, before.compare(after)))
	t.find(outputs, t.gave(plan, result))

	// As a saved plan is compared with a new one.
	if again, ok := t.ask(ctx, theCase, t.instant, nil); ok {
		decided := difference(tree(decision(plan)), tree(decision(again)), "/changes", nil)
		if decided != "" && difference(tree(plan.Fingerprint), tree(again.Fingerprint), "", nil) == "" {
			t.find(drift, "the decision is another one, and the fingerprint is the same: "+decided)
		} else {
			t.find(drift, "")
		}
	}

	// What only runs something has no state that stays.
	if !slices.ContainsFunc(plan.Changes, func(c sdk.Change) bool { return c.Kind == sdk.Run }) {
		t.again(ctx, plan)
	}
	if t.info.Converges {
		if then, ok := t.ask(ctx, secondRun, t.instant.Add(time.Second), nil); ok {
			t.find(secondRun, listed("it would still make", then.Changes))
		}
	}
}

// decision is what a saved plan is compared by, beside the fingerprint.
func decision(p *sdk.Plan) []sdk.Change {
	var all []sdk.Change
	for _, c := range p.Changes {
		all = append(all, sdk.Change{Kind: c.Kind, Resource: c.Resource})
	}
	return all
}

// asPlanned compares what was made with what was planned.
func (t *trial) asPlanned(plan *sdk.Plan, result *sdk.Result, difference string) string {
	made := map[int]int{}
	for _, i := range result.Done {
		made[i]++
	}
	var problems []string
	stays := false
	for i, c := range plan.Changes {
		what := fmt.Sprintf("change %d (%s %s) ", i, c.Kind, c.Resource.Name)
		switch {
		case made[i] == 0 && c.Kind == sdk.Run && len(result.Diagnostics) > 0: // it was tried, and somebody is told
		case made[i] == 0 && c.Conditional == "":
			problems = append(problems, what+"was planned and not reported as made")
		case made[i] > 1:
			problems = append(problems, what+fmt.Sprintf("was reported %d times", made[i]))
		}
		stays = stays || made[i] > 0 && c.Kind != sdk.Run
	}
	if !slices.IsSorted(result.Done) {
		problems = append(problems, fmt.Sprintf("the changes were made in the order %v", result.Done))
	}
	watched := len(t.Watch) > 0 || t.State != nil
	switch {
	case len(result.Done) == 0 && difference != "":
		problems = append(problems, "no change was reported, and yet:\n  "+difference)
	case watched && stays && difference == "":
		problems = append(problems, "changes were reported, and the state is what it was")
	}
	return strings.Join(problems, "\n")
}

// gave compares the outputs of Apply with their schema and with what was planned.
func (t *trial) gave(plan *sdk.Plan, result *sdk.Result) string {
	got, err := decode(result.Outputs)
	if err != nil || !isObject(got) {
		return "the outputs of Apply are no JSON object: " + shorten(string(result.Outputs), 200)
	}
	for _, found := range t.info.Outputs.Check(got) {
		return fmt.Sprintf("Apply: %q %s", found.Path, found.Message)
	}
	planned, err := decode(plan.Outputs)
	if err != nil {
		return "" // fits has told
	}
	ignored := slices.Clone(plan.Unknown)
	for _, v := range t.Varies {
		if rest, ok := strings.CutPrefix(v, "/outputs"); ok {
			ignored = append(ignored, rest)
		}
	}
	if slices.Contains(ignored, "") {
		return ""
	}
	if d := difference(planned, got, "", ignored); d != "" {
		return "Plan and Apply differ: " + d
	}
	return ""
}

// again applies the plan a second time.
func (t *trial) again(ctx context.Context, plan *sdk.Plan) {
	before, ok := t.observe(ctx)
	if !ok {
		return
	}
	result, ok := t.perform(ctx, "", plan)
	if !ok {
		return
	}
	var problems []string
	if len(result.Done) > 0 {
		problems = append(problems, fmt.Sprintf("the changes %v were made once more", result.Done))
	}
	for _, d := range result.Diagnostics {
		if d.Severity == sdk.SeverityError && d.Reason != sdk.Drifted {
			problems = append(problems, "it fails: "+told(result.Diagnostics))
			break
		}
	}
	if after, ok := t.observe(ctx); ok {
		if d := before.compare(after); d != "" {
			problems = append(problems, d)
		}
	}
	t.find(applyTwice, strings.Join(problems, "\n"))
}

// drifting has somebody else change what was decided about.
func (t *trial) drifting(ctx context.Context) {
	if t.Drift == nil {
		return
	}
	if _, ok := t.prepare(ctx); !ok {
		return
	}
	plan, ok := t.ask(ctx, theCase, t.instant, nil)
	if !ok {
		return
	}
	if err := t.Drift(ctx); err != nil {
		t.find(theCase, "cannot drift: "+err.Error())
		return
	}
	a := t.plan(ctx, t.request(t.Action, t.inputs, t.instant, t.Prior))
	switch {
	case a.broken != nil:
		t.find(drift, "Plan: "+a.broken.Error())
	case a.value != nil && difference(tree(plan.Fingerprint), tree(a.value.Fingerprint), "", nil) == "":
		t.find(drift, "the fingerprint is the same afterwards: "+show(tree(plan.Fingerprint), true))
	}
	result, ok := t.perform(ctx, "", plan)
	if !ok {
		return
	}
	for _, d := range result.Diagnostics {
		if d.Severity == sdk.SeverityError && d.Reason != sdk.Drifted {
			t.find(drift, "the old plan fails, and not with the reason drifted: "+told(result.Diagnostics))
		}
	}
}
