// Package systemd is the systemd plugin: it starts and stops units and waits for them, says which are started at boot, and runs
// commands as units of their own.
//
// It speaks to the service manager itself, over D-Bus, and awaits the end of each job. As root it uses the manager's private
// socket, as systemctl does: no message bus need be there, and stopping one changes nothing. It never stops what coppice itself
// runs in. It never escapes to a shell. The one program it starts is journalctl, for the last lines of a unit that has failed;
// without it there is no more than the error.
//
// Words:
//
//   - Unit: what the service manager looks after, called by its name with its suffix: postgresql.service.
//   - Template: a unit file with "@" before its suffix. Only its instances can be started: backup@home.service.
//   - State: active, reloading, inactive, failed, activating or deactivating, as the manager says it.
//   - Running: in a state other than inactive and failed.
//   - Dependent: a running unit that is stopped when another one is.
//   - Once: a unit that runs and is inactive again when it has done its work (Type=oneshot).
//   - Enabled: started at boot or by something that happens, as links in /etc say (or in /run: until the next boot).
//   - Job: one order to the manager; it ends with a result.
//   - Command: what systemd.run runs, as a transient unit that is gone afterwards.
//
// schema.go has inputs and outputs, observe.go what is read, plan*.go the decisions, which are pure, and apply*.go what is
// written.
package systemd

import "github.com/hbohlen/coppice/sdk"

// Version of the plugin.
const Version = "0.1.0"

// UnitType and CommandType are the types of the resources that the actions change.
const (
	UnitType    = "systemd.unit"
	ManagerType = "systemd.manager"
	CommandType = "systemd.command"
)

// New returns the plugin.
func New() *sdk.Plugin {
	return &sdk.Plugin{
		Name:    "systemd",
		Version: Version,
		Summary: "units of the service manager, and commands that run as units",
		Actions: []sdk.Action{
			startAction(), stopAction(), restartAction(), reloadAction(), reloadOrRestartAction(),
			enableAction(), disableAction(), maskAction(), unmaskAction(), daemonReloadAction(),
			statusAction(), healthAction(), waitAction(), runAction(),
		},
	}
}
