package systemd

import (
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// verb is what is asked of a unit.
type verb string

const (
	start           verb = "start"
	stop            verb = "stop"
	restart         verb = "restart"
	reload          verb = "reload"
	reloadOrRestart verb = "reload_or_restart"
)

// jobPrivate is what Apply asks for: nothing if Verb is empty.
type jobPrivate struct {
	Unit  string
	Verb  verb
	Wants []want // of the changes, in their order
	Out   JobOutput
}

// want is what a change comes to.
type want struct {
	Unit string
	To   string // state; "": the job alone is it
}

type jobPlan = sdk.Planned[JobOutput, jobPrivate]

// jobFacts are what the decision rests on.
type jobFacts struct {
	Unit   string   `json:"unit"`
	State  string   `json:"state"`
	Verb   verb     `json:"verb"`
	Others []string `json:"others,omitempty"` // the units that change with it
}

// effect is a change of one unit that a job brings about.
type effect struct {
	unit   *Unit
	verb   verb   // start, stop or restart
	reason string // "": it was asked for
	maybe  string // why it may not come
}

// planJob decides what a job changes.
func planJob(v *View, name string, asked verb) (jobPlan, error) {
	var planned jobPlan
	u, err := v.Unit(name)
	if err != nil {
		return planned, err
	}
	if u.Load == "not-found" && (asked != stop || !u.running()) {
		return planned, v.missing(name)
	}
	out := JobOutput{Unit: u.ID, Previous: u.State, State: u.State}
	keep := func(reason string) (jobPlan, error) {
		return jobPlan{
			Outputs: out, Kept: []sdk.Kept{{Resource: named(u.ID), Reason: reason}},
			Facts: jobFacts{Unit: u.ID, State: u.State}, Private: jobPrivate{Unit: u.ID, Out: out},
		}, nil
	}
	do := asked
	if do == reloadOrRestart {
		switch {
		case !u.running():
			do = start
		case u.CanReload:
			do = reload
		default:
			do = restart
		}
	}
	if do == restart && !u.running() {
		do = start
	}
	if do != stop {
		if err := v.usable(u, name); err != nil {
			return planned, err
		}
	}
	var effects []effect
	switch do {
	case stop:
		if !u.running() {
			return keep("is " + u.State + " already")
		}
		if u.NoManualStop {
			return planned, refuse("stop what needs it instead", "%s can't be stopped on request (RefuseManualStop=)", u.ID)
		}
		effects, err = v.stopped(u, stop)
	case start:
		switch {
		case u.State == active || u.State == reloading:
			return keep("is active already")
		case u.NoManualStart:
			return planned, refuse("start what needs it instead", "%s can't be started on request (RefuseManualStart=)", u.ID)
		case !u.CanStart:
			return planned, refuse("", "a unit such as %s can't be started", u.ID)
		}
		effects, err = v.started(u)
	case restart:
		if u.NoManualStop || u.NoManualStart {
			return planned, refuse("restart what needs it instead", "%s can't be restarted on request (RefuseManualStop=, RefuseManualStart=)", u.ID)
		}
		effects, err = v.stopped(u, restart)
	case reload:
		switch {
		case !u.CanReload:
			return planned, refuse("use systemd.reload_or_restart", "%s can't be reloaded: its file has no ExecReload=", u.ID)
		case u.State != active && u.State != reloading:
			return planned, refuse("start it first, or use systemd.reload_or_restart", "%s is %s: only an active unit can be reloaded", u.ID, u.State)
		}
		effects = []effect{{unit: u, verb: reload}}
	}
	if err != nil {
		return planned, err
	}
	planned.Private = jobPrivate{Unit: u.ID, Verb: do, Out: out}
	facts := jobFacts{Unit: u.ID, State: u.State, Verb: do}
	for _, e := range effects {
		change, to := e.change()
		planned.Changes = append(planned.Changes, change)
		planned.Private.Wants = append(planned.Private.Wants, want{Unit: e.unit.ID, To: to})
		if e.unit.ID != u.ID && e.maybe == "" {
			facts.Others = append(facts.Others, e.unit.ID+" "+e.unit.State)
		}
	}
	slices.Sort(facts.Others)
	planned.Facts, planned.Outputs, planned.Unknown = facts, out, []string{"/state"}
	if u.Stale {
		planned.Diagnostics = append(planned.Diagnostics, warning("systemd.daemon_reload makes systemd read it", "the file of %s has changed since systemd has read it", u.ID))
	}
	if do == stop {
		if by := v.triggers(u); len(by) > 0 {
			planned.Diagnostics = append(planned.Diagnostics, warning("stop that too", "%s can still be started by %s", u.ID, strings.Join(by, ", ")))
		}
	}
	return planned, nil
}

// change is the effect as a change, and the state that the unit is in then.
func (e effect) change() (sdk.Change, string) {
	c := sdk.Change{Resource: named(e.unit.ID), Reason: e.reason, Conditional: e.maybe}
	from := attributes{State: e.unit.State}
	to := from
	switch {
	case e.verb == stop:
		c.Kind, c.Summary, to.State = sdk.Update, "stop", inactive
	case e.verb == start && e.unit.once():
		c.Kind, c.Summary, to.State = sdk.Run, "run once", inactive
		c.After = to.encode()
		return c, ""
	case e.verb == start:
		c.Kind, c.Summary, to.State = sdk.Update, "start", active
		if e.unit.State == activating {
			c.Summary = "wait for its start"
		}
	default: // it is what it was
		c.Kind, c.Summary = sdk.Run, string(e.verb)
		if e.verb == restart && !e.unit.once() {
			to.State = active
		}
		c.After = to.encode()
		return c, ""
	}
	c.Before, c.After = from.encode(), to.encode()
	return c, to.State
}

// stopped are the effects of stopping or restarting a unit: on those that depend on it first, then on itself. What coppice runs in
// is not stopped.
func (v *View) stopped(u *Unit, how verb) ([]effect, error) {
	all, err := v.with(u, how)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if !v.inside(e.unit.ID) {
			continue
		}
		if e.unit == u {
			return nil, refuse("run coppice from somewhere else to do that", "coppice itself runs in %s, and would be stopped with it", u.ID)
		}
		return nil, refuse("run coppice from somewhere else to do that", "coppice itself runs in %s, which %s and would be stopped with it", e.unit.ID, e.reason)
	}
	return all, nil
}

// with is a unit behind all its dependents.
func (v *View) with(u *Unit, how verb) ([]effect, error) {
	planned, err := v.planned()
	if err != nil {
		return nil, err
	}
	// those of the planned ones that name it
	naming := func(of *Unit, names func(*Unit) []string) []string {
		var all []string
		for _, p := range planned {
			if slices.Contains(names(p), of.ID) {
				all = append(all, p.ID)
			}
		}
		return all
	}
	all := []effect{{unit: u, verb: how}}
	for i := 0; i < len(all); i++ {
		of := all[i].unit
		others := []struct {
			why   string
			known []string
			back  func(*Unit) []string
		}{
			{"is bound to", of.BoundBy, func(p *Unit) []string { return p.BindsTo }},
			{"requires", of.RequiredBy, func(p *Unit) []string { return p.Requires }},
			{"requires", of.RequisiteOf, func(p *Unit) []string { return p.Requisite }},
			{"is part of", of.ConsistsOf, func(p *Unit) []string { return p.PartOf }},
			{"is stopped with", of.StopsToo, func(p *Unit) []string { return p.StoppedBy }},
		}
		for _, o := range others {
			for _, name := range sorted(append(naming(of, o.back), o.known...)) {
				d, err := v.Unit(name)
				if err != nil {
					return nil, err
				}
				if d.running() && !has(all, d.ID) {
					all = append(all, effect{unit: d, verb: how, reason: o.why + " " + of.ID})
				}
			}
		}
	}
	slices.Reverse(all)
	return all, nil
}

// started are the effects of starting a unit: what conflicts with it is stopped, what it needs is started, and then itself.
func (v *View) started(u *Unit) ([]effect, error) {
	all := []effect{{unit: u, verb: start}}
	for i := 0; i < len(all); i++ {
		of := all[i]
		for _, name := range sorted(of.unit.Requisite) {
			r, err := v.Unit(name)
			if err != nil {
				return nil, err
			}
			if !r.running() && of.maybe == "" && !has(all, r.ID) {
				return nil, refuse("start "+r.ID+" first", "%s needs %s to be active before it is started, and that is %s", of.unit.ID, r.ID, r.State)
			}
		}
		for k, names := range [][]string{of.unit.Requires, of.unit.BindsTo, of.unit.Wants} {
			for _, name := range sorted(names) {
				wanted := k == 2
				n, err := v.Unit(name)
				if err != nil {
					return nil, err
				}
				if n.State == active || n.State == reloading || has(all, n.ID) {
					continue
				}
				e := effect{unit: n, verb: start, reason: "needed by " + of.unit.ID, maybe: of.maybe}
				switch {
				case n.Load != "loaded" && wanted, n.ID == "" || n.State == deactivating && wanted:
					continue // nothing comes of it
				case n.Load != "loaded" && of.maybe == "":
					return nil, refuse("", "%s requires %s, which is %s", of.unit.ID, n.ID, strings.ReplaceAll(n.Load, "-", " "))
				case wanted:
					e.reason, e.maybe = "wanted by "+of.unit.ID, "if it can be started"
				case n.Conditions && e.maybe == "":
					e.maybe = "if its conditions are met"
				}
				all = append(all, e)
			}
		}
	}
	slices.Reverse(all)
	planned, err := v.planned()
	if err != nil {
		return nil, err
	}
	var conflicts []effect
	for _, e := range all {
		names := append(slices.Clone(e.unit.Conflicts), e.unit.ConflictedBy...)
		for _, p := range planned {
			if slices.Contains(p.Conflicts, e.unit.ID) {
				names = append(names, p.ID)
			}
		}
		for _, name := range sorted(names) {
			n, err := v.Unit(name)
			if err != nil {
				return nil, err
			}
			if !n.running() || has(conflicts, n.ID) || has(all, n.ID) {
				continue
			}
			with, err := v.stopped(n, stop)
			if err != nil {
				return nil, err
			}
			for _, w := range with {
				if has(conflicts, w.unit.ID) {
					continue
				}
				if w.unit == n {
					w.reason = "conflicts with " + e.unit.ID
				}
				w.maybe = e.maybe
				conflicts = append(conflicts, w)
			}
		}
	}
	return append(conflicts, all...), nil
}

// triggers are the active units that would start a unit again when something happens.
func (v *View) triggers(u *Unit) []string {
	var by []string
	for _, name := range sorted(u.Triggered) {
		if t, err := v.Unit(name); err == nil && t.State == active {
			by = append(by, t.ID)
		}
	}
	return by
}

func has(all []effect, id string) bool {
	return slices.ContainsFunc(all, func(e effect) bool { return e.unit.ID == id })
}

func sorted(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }
