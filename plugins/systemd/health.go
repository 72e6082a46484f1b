package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

func healthAction() sdk.Action {
	return sdk.Read(sdk.Info{Name: "health", Summary: "Say whether the system has come up well",
		Description: "Well is a system that has started all that it starts at boot, in which no unit has failed, and in which the units that are named are active. " +
			"While it is starting, or one of these units is, it is waited for, as long as patience says. It is no failure if the system is not well, but an answer. " +
			"A service that waits for the system like this must be of Type=exec, or be started by a timer after the boot: otherwise the system waits for it."},
		func(ctx context.Context, _ *sdk.Call, in HealthInput) (sdk.Planned[HealthOutput, sdk.None], error) {
			out, err := health(ctx, in)
			return sdk.Planned[HealthOutput, sdk.None]{Outputs: out, Summary: "the system is " + out.State}, err
		})
}

// vitals are what the manager says of the system at one moment.
type vitals struct {
	State  string   // as systemctl is-system-running has it
	Failed []string // units that have failed
	Jobs   []string // units that have jobs, sorted
	Units  []*Unit  // those that were asked for, in that order
	Names  []string // by what names they were asked for
}

// between looks at the manager.
const between = 250 * time.Millisecond

func health(ctx context.Context, in HealthInput) (HealthOutput, error) {
	var names []string
	for i, name := range in.Units {
		full, err := unitName(Target{Unit: name})
		if err != nil {
			return HealthOutput{}, sdk.InvalidInput(fmt.Sprintf("/units/%d", i), "%q is no name of a unit", name)
		}
		names = append(names, full)
	}
	c, err := connect(ctx)
	if err != nil {
		return HealthOutput{}, err
	}
	defer c.Close()
	for end := time.Now().Add(time.Duration(in.Patience)); ; {
		v, err := c.vitals(ctx, names)
		if err != nil {
			return HealthOutput{}, err
		}
		out, wait := v.judge(in)
		if !wait {
			return out, nil
		}
		if left := time.Until(end); left <= 0 {
			return v.impatient(out, in), nil
		} else if err := pause(ctx, min(left, between)); err != nil {
			return HealthOutput{}, err
		}
	}
}

// pause waits, but not longer than ctx lives.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (c *connection) vitals(ctx context.Context, names []string) (vitals, error) {
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	v := vitals{Names: names}
	state, err := c.SystemStateContext(ctx)
	if err != nil {
		return v, explain("ask how the system is", err)
	}
	v.State, _ = state.Value.Value().(string)
	failures, err := c.ListUnitsFilteredContext(ctx, []string{failed})
	if err != nil {
		return v, explain("list the units that have failed", err)
	}
	for _, u := range failures {
		v.Failed = append(v.Failed, u.Name)
	}
	slices.Sort(v.Failed)
	jobs, err := c.ListJobsContext(ctx)
	if err != nil {
		return v, explain("list jobs", err)
	}
	for _, j := range jobs {
		v.Jobs = append(v.Jobs, j.Unit)
	}
	slices.Sort(v.Jobs)
	for _, name := range names {
		u, err := c.unit(ctx, name)
		if err != nil {
			return v, err
		}
		v.Units = append(v.Units, u)
	}
	return v, nil
}

// judge decides. wait: it may be well in a while.
func (v vitals) judge(in HealthInput) (out HealthOutput, wait bool) {
	out = HealthOutput{State: v.State, Failed: []string{}, Why: []string{}}
	for _, name := range v.Failed {
		if !slices.Contains(in.Except, name) {
			out.Failed = append(out.Failed, name)
		}
	}
	bad := func(format string, args ...any) { out.Why = append(out.Why, fmt.Sprintf(format, args...)) }
	starting := v.State == "initializing" || v.State == "starting"
	switch v.State {
	case "initializing", "starting":
		wait = true
	case "running":
	case "degraded":
		if len(out.Failed) > 0 && !in.Degraded {
			bad("the system is degraded: %s", words(out.Failed, "has failed", "have failed"))
		}
	default:
		bad("the system is %s", v.State)
	}
	for i, u := range v.Units {
		switch {
		case u.Load == "not-found" && !u.running():
			bad("there is no unit %s", v.Names[i])
		case u.State == active, slices.Contains(out.Failed, u.ID) && !in.Degraded && v.State == "degraded": // it has been said
		case u.State == activating || u.State == reloading || starting && u.State == inactive:
			wait = true
		case u.State == failed:
			bad("%s has failed", u.ID)
		default:
			bad("%s is %s", u.ID, u.State)
		}
	}
	// While the system starts, what has failed may have failed for good, and it need not be waited for.
	out.Well = len(out.Why) == 0 && !wait
	return out, wait && len(out.Why) == 0
}

// impatient is the answer when it has been waited for long enough.
func (v vitals) impatient(out HealthOutput, in HealthInput) HealthOutput {
	if v.State == "initializing" || v.State == "starting" {
		text := fmt.Sprintf("after %s the system is still %s", sdk.Duration(in.Patience), v.State)
		if len(v.Jobs) > 0 {
			text += ": it waits for " + some(v.Jobs)
		}
		out.Why = append(out.Why, text)
	}
	for _, u := range v.Units {
		if u.State != active && u.State != failed {
			out.Why = append(out.Why, fmt.Sprintf("after %s %s is still %s", sdk.Duration(in.Patience), u.ID, u.State))
		}
	}
	return out
}

// some are a few of them.
func some(all []string) string {
	const most = 8
	text := strings.Join(all[:min(len(all), most)], ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// words are some of them, and what they do.
func words(all []string, one, several string) string {
	if len(all) == 1 {
		return all[0] + " " + one
	}
	return some(all) + " " + several
}
