package systemd

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// poll is how often a state is looked at that nobody tells us of.
const poll = 100 * time.Millisecond

// order is the manager's method for a verb.
func (c *connection) order(what verb) func(context.Context, string, string, chan<- string) (int, error) {
	switch what {
	case start:
		return c.StartUnitContext
	case stop:
		return c.StopUnitContext
	case restart:
		return c.RestartUnitContext
	case reload:
		return c.ReloadUnitContext
	}
	panic("systemd: no such verb: " + string(what))
}

// job gives an order and awaits its result. When ctx ends first the job is cancelled.
func (c *connection) job(ctx context.Context, give func(ctx context.Context, result chan<- string) (int, error)) (string, error) {
	result := make(chan string, 1)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	// An order that was given is waited for, or nobody would know whether there is a job.
	giving, stop := context.WithTimeout(context.WithoutCancel(ctx), answer)
	defer stop()
	id, err := give(giving, result)
	if err != nil {
		return "", err
	}
	select {
	case r := <-result:
		return r, nil
	case <-c.lost():
		return "", &sdk.Error{Reason: sdk.Failed, Path: "/unit", Summary: "systemd has closed the connection before the job was done",
			Advice: "systemd may have been replaced by a new version meanwhile: look at the unit, and run it again"}
	case <-ctx.Done():
	}
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), answer)
	defer stop()
	if err := c.call(ending, "CancelJob", uint32(id)).Err; err == nil {
		select {
		case <-result:
		case <-ending.Done():
		}
	} // an error: it has ended meanwhile
	return "", ctx.Err()
}

func applyJob(ctx context.Context, c *sdk.Call, private jobPrivate) (JobOutput, error) {
	out := private.Out
	if private.Verb == "" {
		return out, nil
	}
	m, err := connect(ctx)
	if err != nil {
		return out, err
	}
	defer m.Close()
	v := observe(ctx, m, nil)
	now, err := planJob(v, private.Unit, private.Verb)
	if err != nil {
		return out, err
	}
	u, _ := v.Unit(private.Unit)
	out.State = u.State
	if now.Private.Verb == "" {
		return out, nil // it has been done
	}
	if extra := beyond(now.Private.Wants, now.Changes, private.Wants); extra != "" {
		return out, drifted("%s of %s would change %s too, which the plan does not have", private.Verb, private.Unit, extra)
	}
	give := m.order(now.Private.Verb)
	result, err := m.job(ctx, func(ctx context.Context, ch chan<- string) (int, error) {
		return give(ctx, private.Unit, "replace", ch)
	})
	if after, e := m.unit(context.WithoutCancel(ctx), private.Unit); e == nil {
		u, out.State = after, after.State
	}
	if ctx.Err() != nil && err != nil {
		c.Logf("warn", "no longer waiting: %s is %s", u.ID, u.State)
		return out, err
	}
	if err != nil {
		return out, explain(fmt.Sprintf("%s %s", private.Verb, private.Unit), err)
	}
	err = outcome(u, now.Private.Verb, result)
	for i, w := range private.Wants {
		if w.Unit == private.Unit {
			if err == nil {
				c.Done(i)
			}
			continue
		}
		other, e := m.unit(context.WithoutCancel(ctx), w.Unit)
		if e == nil && (w.To == "" && err == nil || w.To == other.State || w.To == inactive && !other.running()) {
			c.Done(i)
		}
	}
	if err != nil {
		lastLines(ctx, c, u)
		return out, err
	}
	c.Summarize("%s", u.State)
	return out, nil
}

// beyond is a unit that would be changed, and is not in the plan; "" for none. What is only wanted may come or not.
func beyond(now []want, changes []sdk.Change, planned []want) string {
	for i, n := range now {
		known := changes[i].Conditional != ""
		for _, p := range planned {
			known = known || p.Unit == n.Unit
		}
		if !known {
			return n.Unit
		}
	}
	return ""
}

// outcome judges the end of a job, see JobRemoved in org.freedesktop.systemd1(5).
func outcome(u *Unit, what verb, result string) error {
	advice := fmt.Sprintf("\"systemctl status %s\" and \"journalctl -u %s\" show more", u.ID, u.ID)
	switch result {
	case "done":
		switch {
		case what == stop && u.running() && u.State != deactivating:
			return refuse(advice, "%s was stopped, and is %s again", u.ID, u.State)
		case what == start && u.State == inactive && !u.ConditionOK && u.Conditions:
			return refuse("\"systemctl status "+u.ID+"\" shows which", "%s was not started: its conditions are not met", u.ID)
		case (what == start || what == restart) && u.State == failed:
			return refuse(advice, "%s was started, and has failed at once: %s", u.ID, u.why())
		}
		return nil
	case "failed":
		return refuse(advice, "cannot %s %s: %s", what, u.ID, u.why())
	case "timeout":
		return refuse(advice, "cannot %s %s: the job took longer than systemd allows (JobTimeoutSec=)", what, u.ID)
	case "dependency":
		return refuse(advice, "cannot %s %s: a unit that it needs has failed", what, u.ID)
	case "canceled":
		e := refuse(advice, "cannot %s %s: somebody else has cancelled the job, or wants the contrary", what, u.ID)
		e.Reason = sdk.Busy
		return e
	case "skipped":
		return refuse(advice, "%s was not %sed: it was not running", u.ID, what)
	case "assert":
		return refuse(advice, "cannot %s %s: an assertion of its file does not hold", what, u.ID)
	}
	return refuse(advice, "cannot %s %s: systemd says %q", what, u.ID, result)
}

// why says how a unit has ended.
func (u *Unit) why() string {
	switch u.Result {
	case "exit-code":
		if reason := execFailure(u.ExitCode); reason != "" {
			return reason
		}
		if u.ExitCode == 0 { // of the main one
			return "one of its commands has failed (ExecStartPre= or the like)"
		}
		return fmt.Sprintf("it ended with exit code %d", u.ExitCode)
	case "signal":
		return fmt.Sprintf("it was ended by signal %v", syscall.Signal(u.ExitCode))
	case "core-dump":
		return fmt.Sprintf("it crashed with signal %v", syscall.Signal(u.ExitCode))
	case "timeout":
		return "it took longer than its file allows (TimeoutStartSec=, TimeoutStopSec=)"
	case "oom-kill":
		return "it was killed for lack of memory"
	case "watchdog":
		return "it has stopped answering (WatchdogSec=)"
	case "start-limit-hit":
		return "it was started too often in a short time; \"systemctl reset-failed\" lets it be started again"
	case "protocol":
		return "it did not behave as its Type= says"
	case "resources":
		return "systemd could not set up what it needs"
	case "", "success":
		return "its state is " + u.State
	}
	return u.Result
}

// execFailure explains exit codes that are systemd's own, see systemd.exec(5); "" for others.
func execFailure(code int64) string {
	switch code {
	case 200:
		return "systemd could not change to its directory"
	case 203:
		return "its program could not be executed"
	case 216:
		return "its group does not exist"
	case 217:
		return "its user does not exist"
	case 226:
		return "systemd could not set up its namespaces"
	case 243:
		return "systemd could not set up its credentials"
	}
	return ""
}

func applyWait(ctx context.Context, c *sdk.Call, in WaitInput, private waitPrivate) (JobOutput, error) {
	out := private.Out
	if !private.Wait {
		return out, nil
	}
	m, err := connect(ctx)
	if err != nil {
		return out, err
	}
	defer m.Close()
	for first := true; ; first = false {
		u, err := m.unit(ctx, private.Unit)
		if err != nil {
			return out, err
		}
		out.State = u.State
		switch {
		case reached(u.State, in.State):
			if !first {
				c.Done(0)
			}
			c.Summarize("%s", u.State)
			return out, nil
		case u.State == failed && in.State == active:
			lastLines(ctx, c, u)
			return out, refuse(fmt.Sprintf("\"systemctl status %s\" shows more", u.ID), "%s has failed: %s", u.ID, u.why())
		}
		select {
		case <-ctx.Done():
			c.Logf("warn", "no longer waiting: %s is %s", u.ID, u.State)
			return out, ctx.Err()
		case <-time.After(poll):
		}
	}
}
