package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	manager "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/hbohlen/coppice/sdk"
)

// privateSocket is the service manager's own, for root alone.
const privateSocket = "/run/systemd/private"

// answer is how long the manager may take to answer what it can answer at once.
const answer = 30 * time.Second

// connection to the manager.
type connection struct {
	*manager.Conn
	raw []*dbus.Conn // what Conn is made of, for calls that it does not have
}

// connect finds the manager. The connection outlives ctx: what was begun must be ended after a cancel.
func connect(ctx context.Context) (*connection, error) {
	if _, err := os.Stat("/run/systemd/system"); errors.Is(err, fs.ErrNotExist) { // as sd_booted(3) has it
		comm, _ := os.ReadFile("/proc/1/comm")
		return nil, &sdk.Error{Reason: sdk.Failed, Summary: fmt.Sprintf("systemd does not run this machine, %s does: there is no /run/systemd/system", orElse(strings.TrimSpace(string(comm)), "something else")),
			Advice: "in a container, run coppice on the host, or start the container with systemd as its first process"}
	}
	_, err := os.Stat(privateSocket)
	private := err == nil && os.Geteuid() == 0
	c, err := open(ctx, private)
	if err != nil && private {
		c, err = open(ctx, false)
	}
	if err != nil {
		e := &sdk.Error{Reason: sdk.Failed, Summary: "cannot reach systemd", Err: err}
		if os.Geteuid() != 0 {
			e.Reason, e.Advice = sdk.NotPermitted, "run as root, or start the system's message bus"
		}
		return nil, e
	}
	_ = c.Subscribe() // only a bus needs it; on the private socket everybody is told
	return c, nil
}

func open(ctx context.Context, private bool) (c *connection, err error) {
	c = &connection{}
	c.Conn, err = manager.NewConnection(func() (*dbus.Conn, error) {
		raw, err := dial(context.WithoutCancel(ctx), private)
		if err == nil {
			c.raw = append(c.raw, raw)
		}
		return raw, err
	})
	return c, err
}

// dial opens one connection: to the private socket, which as systemctl has it needs no bus to work, or to the bus.
func dial(ctx context.Context, private bool) (*dbus.Conn, error) {
	var conn *dbus.Conn
	var err error
	if private {
		conn, err = dbus.Dial("unix:path="+privateSocket, dbus.WithContext(ctx))
	} else {
		conn, err = dbus.SystemBusPrivate(dbus.WithContext(ctx))
	}
	if err != nil {
		return nil, err
	}
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err == nil && !private {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// call calls a method of the manager.
func (c *connection) call(ctx context.Context, method string, args ...any) *dbus.Call {
	return c.raw[0].Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
		CallWithContext(ctx, "org.freedesktop.systemd1.Manager."+method, 0, args...)
}

// lost is closed when the connection has ended.
func (c *connection) lost() <-chan struct{} { return c.raw[1].Context().Done() }

// observe makes a view of the units.
func observe(ctx context.Context, c *connection, prior []sdk.Change) *View {
	return newView(
		func(name string) (*Unit, error) { return c.unit(ctx, name) },
		func(name string) (string, error) { return c.fileState(ctx, name) },
		func() []string { return c.allNames(ctx) },
		ownUnits(), prior)
}

// unit reads a unit. The manager loads its file for that, if it has not yet.
func (c *connection) unit(ctx context.Context, name string) (*Unit, error) {
	if isTemplate(name) {
		return nil, refuse("name an instance: "+strings.Replace(name, "@", "@NAME", 1), "%s is a template, of which only instances can be started", name)
	}
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	all, err := c.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return nil, explain("look at "+name, err)
	}
	return decode(all), nil
}

// decode reads the properties of a unit, see org.freedesktop.systemd1(5).
func decode(all map[string]any) *Unit {
	text := func(key string) string { s, _ := all[key].(string); return s }
	list := func(key string) []string { s, _ := all[key].([]string); return s }
	is := func(key string) bool { b, _ := all[key].(bool); return b }
	number := func(key string) int64 {
		switch n := all[key].(type) {
		case uint64:
			return int64(n)
		case uint32:
			return int64(n)
		case int32:
			return int64(n)
		}
		return 0
	}
	u := &Unit{
		ID: text("Id"), Description: text("Description"), Load: text("LoadState"), State: text("ActiveState"), Sub: text("SubState"),
		File: text("UnitFileState"), Path: text("FragmentPath"), Since: number("StateChangeTimestamp"), Began: number("InactiveExitTimestamp"), Group: text("ControlGroup"),
		ConditionOK: is("ConditionResult"), Stale: is("NeedDaemonReload"),
		CanStart: is("CanStart"), CanStop: is("CanStop"), CanReload: is("CanReload"),
		NoManualStart: is("RefuseManualStart"), NoManualStop: is("RefuseManualStop"),
		Requires: list("Requires"), Requisite: list("Requisite"), BindsTo: list("BindsTo"), Wants: list("Wants"),
		Conflicts: list("Conflicts"), ConflictedBy: list("ConflictedBy"),
		RequiredBy: list("RequiredBy"), RequisiteOf: list("RequisiteOf"), BoundBy: list("BoundBy"), ConsistsOf: list("ConsistsOf"),
		StopsToo: list("PropagatesStopTo"), PartOf: list("PartOf"), StoppedBy: list("StopPropagatedFrom"), Triggered: list("TriggeredBy"),
		Type: text("Type"), RemainAfterExit: is("RemainAfterExit"), MainPID: number("MainPID"), Result: text("Result"),
		ExitCode: number("ExecMainStatus"), Restarts: number("NRestarts"),
	}
	const killed, dumped = 2, 3 // CLD_KILLED and CLD_DUMPED of waitid(2)
	code := number("ExecMainCode")
	u.Killed = code == killed || code == dumped
	if conditions, ok := all["Conditions"].([][]any); ok {
		u.Conditions = len(conditions) > 0
	}
	if loadError, ok := all["LoadError"].([]any); ok && len(loadError) == 2 {
		u.LoadError, _ = loadError[1].(string)
	}
	if memory, ok := all["MemoryCurrent"].(uint64); ok && memory != ^uint64(0) {
		u.Memory = memory
	}
	return u
}

// fileState is what systemctl is-enabled says; "" without a file.
func (c *connection) fileState(ctx context.Context, name string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	var state string
	err := c.call(ctx, "GetUnitFileState", name).Store(&state)
	var remote dbus.Error
	if errors.As(err, &remote) && (remote.Name == "org.freedesktop.DBus.Error.FileNotFound" || remote.Name == "org.freedesktop.systemd1.NoSuchUnit") {
		return "", nil
	}
	return state, explain("look at the file of "+name, err)
}

// allNames are all units that there are. No error: they are for suggestions.
func (c *connection) allNames(ctx context.Context) []string {
	ctx, stop := context.WithTimeout(ctx, answer)
	defer stop()
	var names []string
	files, _ := c.ListUnitFilesContext(ctx)
	for _, f := range files {
		names = append(names, path.Base(f.Path))
	}
	units, _ := c.ListUnitsContext(ctx)
	for _, u := range units {
		if u.LoadState != "not-found" {
			names = append(names, u.Name)
		}
	}
	return names
}

// ownUnits are the units that this process runs in, by its control groups: a service or scope, and the slices around it.
func ownUnits() []string {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	return unitsOf(string(data))
}

// unitsOf reads /proc/PID/cgroup, see cgroups(7): the unified hierarchy, or systemd's own of the old ones.
func unitsOf(cgroups string) []string {
	var own []string
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || fields[1] != "" && fields[1] != "name=systemd" {
			continue
		}
		for part := range strings.SplitSeq(fields[2], "/") {
			if dot := strings.LastIndexByte(part, '.'); dot > 0 {
				switch part[dot+1:] {
				case "service", "scope", "slice":
					own = append(own, strings.TrimPrefix(part, "_")) // a name that could be a file of the kernel's has a "_" before it
				}
			}
		}
	}
	return own
}
