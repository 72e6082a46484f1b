package systemd

import (
	"context"
	"time"

	"github.com/hbohlen/coppice/plugins/program"
	"github.com/hbohlen/coppice/sdk"
)

// common is what several descriptions say.
const jobs = " The end of the job is awaited. When it fails, the last lines of the unit's journal are logged. Stopping the step cancels the job; what had begun goes on."

func startAction() sdk.Action {
	return jobAction(start, true, "Start a unit",
		"Does nothing if it is active. Units that it needs are started with it, and those that conflict with it are stopped: they are in the plan. "+
			"A unit that runs once and is inactive again (Type=oneshot) is run each time. One whose conditions are not met is not started, and the step fails."+jobs)
}

func stopAction() sdk.Action {
	return jobAction(stop, true, "Stop a unit",
		"Does nothing if it is inactive or failed. Running units that require it, are bound to it or are part of it are stopped with it: they are in the plan. "+
			"Refused for a unit that coppice itself runs in."+jobs)
}

func restartAction() sdk.Action {
	return jobAction(restart, false, "Restart a unit",
		"Stops and starts it; one that is not running is started. Units that depend on it are restarted with it. Refused for a unit that coppice itself runs in."+jobs)
}

func reloadAction() sdk.Action {
	return jobAction(reload, false, "Let a unit read its configuration anew",
		"The unit must be active and have a way to reload (ExecReload=)."+jobs)
}

func reloadOrRestartAction() sdk.Action {
	return jobAction(reloadOrRestart, false, "Reload a unit, or restart it if it can't be reloaded", "One that is not running is started."+jobs)
}

// lockOf is the lock of a unit. Where the unit can't be looked at, Plan says why.
func lockOf(t Target) func(context.Context) ([]sdk.Lock, error) {
	return func(ctx context.Context) ([]sdk.Lock, error) {
		name, err := unitName(t)
		if err != nil {
			return nil, err
		}
		if c, err := connect(ctx); err == nil {
			defer c.Close()
			if !isTemplate(name) {
				if u, err := c.unit(ctx, name); err == nil && u.ID != "" {
					name = u.ID // an alias means the same unit
				}
			}
		}
		return []sdk.Lock{{Key: "systemd.unit:" + name, Title: "unit " + name}}, nil
	}
}

// look connects and makes a view, for a plan.
func look[P any](ctx context.Context, c *sdk.Call, t Target, decide func(v *View, name string) (P, error)) (P, error) {
	var none P
	name, err := unitName(t)
	if err != nil {
		return none, err
	}
	m, err := connect(ctx)
	if err != nil {
		return none, err
	}
	defer m.Close()
	return decide(observe(ctx, m, c.Prior), name)
}

func jobAction(what verb, converges bool, summary, description string) sdk.Action {
	return sdk.Write(sdk.Info{Name: string(what), Summary: summary, Description: description, Converges: converges, Touches: []string{UnitType}},
		sdk.Writer[Target, JobOutput, jobPrivate]{
			Locks: func(ctx context.Context, _ *sdk.Call, in Target) ([]sdk.Lock, error) { return lockOf(in)(ctx) },
			Plan: func(ctx context.Context, c *sdk.Call, in Target) (jobPlan, error) {
				return look(ctx, c, in, func(v *View, name string) (jobPlan, error) { return planJob(v, name, what) })
			},
			Apply: func(ctx context.Context, c *sdk.Call, _ Target, private jobPrivate) (JobOutput, error) {
				return applyJob(ctx, c, private)
			},
		})
}

func waitAction() sdk.Action {
	return sdk.Write(sdk.Info{Name: "wait", Summary: "Wait until a unit is in a state", Converges: true, Touches: []string{UnitType},
		Description: "How long is said by the step's timeout. A unit that fails while it is waited for to become active ends the wait, and the last lines of " +
			"its journal are logged. Nothing is changed.",
	}, sdk.Writer[WaitInput, JobOutput, waitPrivate]{
		Plan: func(ctx context.Context, c *sdk.Call, in WaitInput) (waitPlan, error) {
			return look(ctx, c, in.Target, func(v *View, name string) (waitPlan, error) { return planWait(v, name, in.State) })
		},
		Apply: func(ctx context.Context, c *sdk.Call, in WaitInput, private waitPrivate) (JobOutput, error) {
			return applyWait(ctx, c, in, private)
		},
	})
}

func statusAction() sdk.Action {
	return sdk.Read(sdk.Info{Name: "status", Summary: "Say how a unit is",
		Description: "In a preview, with what earlier steps would have changed."},
		func(ctx context.Context, c *sdk.Call, in StatusInput) (sdk.Planned[StatusOutput, sdk.None], error) {
			return look(ctx, c, in.Target, func(v *View, name string) (sdk.Planned[StatusOutput, sdk.None], error) {
				return statusOf(v, name, in.Optional)
			})
		})
}

func enableAction() sdk.Action {
	return fileAction(enable, "Let a unit be started at boot, or by what its file says",
		"Links it where the [Install] section of its file says. It is not started now: systemd.start does. Also of a template whose file names a default instance.")
}

func maskAction() sdk.Action {
	return fileAction(mask, "Make a unit impossible to start",
		"By hand, at boot, and by other units. What runs goes on. With runtime, a reboot takes the mask away: for the time of a maintenance that must not "+
			"end with a service that never comes back. Refused for a unit whose own file is in /etc/systemd/system.")
}

func disableAction() sdk.Action {
	return unFileAction(disable, "Let a unit not be started at boot any more", "Removes the links that enabling it has made, those until the next boot too. What runs goes on.")
}

func unmaskAction() sdk.Action {
	return unFileAction(unmask, "Take away the mask of a unit", "Also one until the next boot.")
}

const reloads = " Afterwards the manager reads all unit files anew."

func fileAction(what fileVerb, summary, description string) sdk.Action {
	return sdk.Write(sdk.Info{Name: string(what), Summary: summary, Description: description + reloads, Converges: true, Touches: []string{UnitType}},
		sdk.Writer[FileInput, FileOutput, filePrivate]{
			Locks: func(ctx context.Context, _ *sdk.Call, in FileInput) ([]sdk.Lock, error) {
				return lockOf(in.Target)(ctx)
			},
			Plan: func(ctx context.Context, c *sdk.Call, in FileInput) (filePlan, error) {
				return look(ctx, c, in.Target, func(v *View, name string) (filePlan, error) { return planFile(v, name, what, in.Runtime) })
			},
			Apply: func(ctx context.Context, c *sdk.Call, in FileInput, private filePrivate) (FileOutput, error) {
				return applyFile(ctx, c, private, in.Runtime)
			},
		})
}

func unFileAction(what fileVerb, summary, description string) sdk.Action {
	return sdk.Write(sdk.Info{Name: string(what), Summary: summary, Description: description + reloads, Converges: true, Touches: []string{UnitType}},
		sdk.Writer[UnFileInput, FileOutput, filePrivate]{
			Locks: func(ctx context.Context, _ *sdk.Call, in UnFileInput) ([]sdk.Lock, error) {
				return lockOf(in.Target)(ctx)
			},
			Plan: func(ctx context.Context, c *sdk.Call, in UnFileInput) (filePlan, error) {
				return look(ctx, c, in.Target, func(v *View, name string) (filePlan, error) { return planFile(v, name, what, false) })
			},
			Apply: func(ctx context.Context, c *sdk.Call, _ UnFileInput, private filePrivate) (FileOutput, error) {
				return applyFile(ctx, c, private, false)
			},
		})
}

func daemonReloadAction() sdk.Action {
	return sdk.Write(sdk.Info{Name: "daemon_reload", Summary: "Let systemd read all unit files anew", Touches: []string{ManagerType},
		Description: "After files of units have been added or changed. Nothing is started or stopped by it."},
		sdk.Writer[struct{}, ReloadOutput, sdk.None]{
			Locks: func(context.Context, *sdk.Call, struct{}) ([]sdk.Lock, error) {
				return []sdk.Lock{{Key: "systemd.manager", Title: "the service manager"}}, nil
			},
			Plan: func(ctx context.Context, _ *sdk.Call, _ struct{}) (sdk.Planned[ReloadOutput, sdk.None], error) {
				m, err := connect(ctx)
				if err != nil {
					return sdk.Planned[ReloadOutput, sdk.None]{}, err
				}
				defer m.Close()
				return sdk.Planned[ReloadOutput, sdk.None]{Changes: []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: ManagerType, Name: "systemd"}, Summary: "read all unit files anew"}}}, nil
			},
			Apply: func(ctx context.Context, c *sdk.Call, _ struct{}, _ sdk.None) (ReloadOutput, error) {
				m, err := connect(ctx)
				if err != nil {
					return ReloadOutput{}, err
				}
				defer m.Close()
				if err := m.ReloadContext(ctx); err != nil {
					return ReloadOutput{}, explain("let systemd read its unit files", err)
				}
				c.Done(0)
				return ReloadOutput{}, nil
			},
		})
}

func runAction() sdk.Action {
	return sdk.Write(sdk.Info{Name: "run", Summary: "Run a command as a unit of its own", Effect: sdk.Destroys, Touches: []string{sdk.Anything, CommandType, UnitType},
		Description: "The command runs as a transient service of systemd, away from coppice, with the limits that are asked for. What it writes is logged line by line. " +
			"The step fails if it does not end with one of the exit codes in success. When the step is stopped, so is the command and all that it has started. " +
			"A plan can't say what a command does: what it changes is seen by later steps of a run, and not by those of a preview."},
		sdk.Writer[RunInput, RunOutput, runPrivate]{
			Plan: func(ctx context.Context, c *sdk.Call, in RunInput) (runPlan, error) {
				m, err := connect(ctx)
				if err != nil {
					return runPlan{}, err
				}
				defer m.Close()
				return planRun(c, in, program.Find)
			},
			Apply: func(ctx context.Context, c *sdk.Call, in RunInput, private runPrivate) (RunOutput, error) {
				return applyRun(ctx, c, in, private)
			},
		})
}

// microseconds since 1970 as an instant; zero for none.
func microseconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
