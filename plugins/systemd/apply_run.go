package systemd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	manager "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/hbohlen/coppice/plugins/program"
	"github.com/hbohlen/coppice/sdk"
)

const (
	keptOutput = 64 << 10 // of standard output, for later steps
	longLine   = 8 << 10  // longer lines are logged in parts
	drain      = 2 * time.Second
	perCent    = 10_000 // µs of a second
)

func applyRun(ctx context.Context, c *sdk.Call, in RunInput, private runPrivate) (RunOutput, error) {
	out := RunOutput{Unit: private.Unit, ExitCode: -1}
	file := private.Program
	if file == "" {
		var err error
		if file, err = program.Find(in.Command[0]); err != nil {
			return out, &sdk.Error{Reason: sdk.Failed, Path: "/command/0", Summary: err.Error()}
		}
	}
	m, err := connect(ctx)
	if err != nil {
		return out, err
	}
	defer m.Close()
	environment, forget, err := keepEnvironment(private.Unit, in.Environment)
	if err != nil {
		return out, &sdk.Error{Reason: sdk.Failed, Path: "/environment", Summary: "cannot write the environment to a file for systemd", Err: err}
	}
	defer forget()
	streams, err := openStreams(c)
	if err != nil {
		return out, err
	}
	defer streams.close()

	properties := settings(in, private.Unit, file, environment, streams, m.guardian(ctx))
	result, err := m.job(ctx, func(ctx context.Context, ch chan<- string) (int, error) {
		return m.StartTransientUnitContext(ctx, private.Unit, "fail", properties, ch)
	})
	streams.started()
	forget() // it has been read, or never will be
	if err != nil && ctx.Err() == nil {
		return out, explain("run "+in.Command[0], err)
	}
	u := &Unit{ID: private.Unit, State: failed}
	if err == nil {
		u, err = m.ended(ctx, private.Unit)
	}
	// Whatever happened: nothing of it stays.
	cleanUp := m.remove(context.WithoutCancel(ctx), private.Unit, time.Duration(in.StopAfter))
	out.Output, out.Truncated = streams.finish()
	switch {
	case ctx.Err() != nil:
		return out, errors.Join(ctx.Err(), cleanUp)
	case err != nil:
		return out, errors.Join(explain("wait for "+in.Command[0], err), cleanUp)
	case cleanUp != nil:
		return out, cleanUp
	}
	c.Done(0)
	return out, judge(c, in, u, &out, result)
}

// judge says whether the command has succeeded.
func judge(c *sdk.Call, in RunInput, u *Unit, out *RunOutput, result string) error {
	fail := func(advice, format string, args ...any) error {
		return &sdk.Error{Reason: sdk.Failed, Path: "/command", Summary: fmt.Sprintf(format, args...), Advice: advice}
	}
	success := in.Success
	if len(success) == 0 {
		success = []int64{0}
	}
	name := in.Command[0]
	switch {
	// One that ends at once can end before its start is over. Where systemd could not begin it, it says so by an exit code.
	case result != "done" && (u.Result != "exit-code" && !u.Killed || execFailure(u.ExitCode) != ""):
		return fail("", "cannot run %s: %s", name, u.why())
	case u.Result == "oom-kill":
		out.ExitCode = 128 + int64(syscall.SIGKILL)
		return fail("give it more with memory_max", "%s was killed for lack of memory", name)
	case u.Killed:
		out.ExitCode = 128 + u.ExitCode
		return fail("", "%s was ended by signal %v", name, syscall.Signal(u.ExitCode))
	case u.Result == "timeout":
		return fail("", "%s did not end in time", name)
	}
	out.ExitCode = u.ExitCode
	if !slices.Contains(success, u.ExitCode) {
		return fail("success lists the exit codes that are none", "%s ended with exit code %d", name, u.ExitCode)
	}
	c.Summarize("exit code %d", u.ExitCode)
	return nil
}

// settings are the properties of the transient unit, see systemd.exec(5), systemd.service(5) and systemd.resource-control(5).
func settings(in RunInput, name, file, environment string, s *streams, guardian string) []manager.Property {
	type command struct {
		Path    string
		Args    []string
		Failure bool
	}
	type variables struct {
		Path     string
		Optional bool
	}
	properties := []manager.Property{}
	set := func(name string, value any) {
		properties = append(properties, manager.Property{Name: name, Value: dbus.MakeVariant(value)})
	}
	set("Description", "command of coppice: "+program.Shown(in.Command))
	set("Type", "exec")          // the job ends when the program is executed
	set("RemainAfterExit", true) // or what became of it would be forgotten with it
	set("ExecStart", []command{{file, literally(in.Command), false}})
	set("TimeoutStopUSec", uint64(time.Duration(in.StopAfter)/time.Microsecond))
	set("StandardInput", "null")
	set("StandardOutputFileDescriptor", dbus.UnixFD(s.stdout.write.Fd()))
	set("StandardErrorFileDescriptor", dbus.UnixFD(s.stderr.write.Fd()))
	if environment != "" {
		set("EnvironmentFiles", []variables{{environment, false}})
	}
	if guardian != "" { // when that ends in whatever way, this does too
		set("StopPropagatedFrom", []string{guardian})
	}
	if in.Directory != "" {
		set("WorkingDirectory", string(in.Directory))
	}
	if in.User != "" {
		set("User", in.User)
	}
	if in.Group != "" {
		set("Group", in.Group)
	}
	for _, limit := range []struct {
		property string
		value    int64
	}{{"MemoryMax", int64(in.MemoryMax)}, {"MemoryHigh", int64(in.MemoryHigh)}, {"CPUQuotaPerSecUSec", in.CPUQuota * perCent},
		{"CPUWeight", in.CPUWeight}, {"IOWeight", in.IOWeight}, {"TasksMax", in.TasksMax}} {
		if limit.value > 0 {
			set(limit.property, uint64(limit.value))
		}
	}
	if in.MemoryMax > 0 {
		set("OOMPolicy", "kill") // all of it
	}
	if in.Nice != 0 {
		set("Nice", int32(in.Nice))
	}
	return properties
}

// literally are arguments in which systemd finds no variables to replace, see systemd.service(5).
func literally(args []string) []string {
	all := make([]string, len(args))
	for i, arg := range args {
		all[i] = strings.ReplaceAll(arg, "$", "$$")
	}
	return all
}

// guardian is the unit that coppice runs in, which ends the command when it ends; "" for none that the manager knows.
func (c *connection) guardian(ctx context.Context) string {
	own := ownUnits()
	for _, name := range slices.Backward(own) {
		if strings.HasSuffix(name, ".slice") {
			continue
		}
		if u, err := c.unit(ctx, name); err == nil && u.running() {
			return name
		}
	}
	return ""
}

// ended waits until the main process of a unit has ended.
func (c *connection) ended(ctx context.Context, name string) (*Unit, error) {
	for {
		u, err := c.unit(ctx, name)
		if err != nil {
			return nil, err
		}
		if !u.running() || u.State == active && u.Sub == "exited" {
			return u, nil
		}
		select {
		case <-ctx.Done():
			return u, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// remove stops a transient unit, with all processes that are left in it, and makes the manager forget it.
func (c *connection) remove(ctx context.Context, name string, stopAfter time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, answer+2*stopAfter)
	defer stop()
	u, err := c.unit(ctx, name)
	if err != nil || u.Load == "not-found" && !u.running() {
		return err
	}
	if u.running() {
		if _, err := c.job(ctx, func(ctx context.Context, ch chan<- string) (int, error) {
			return c.StopUnitContext(ctx, name, "replace", ch)
		}); err != nil {
			return &sdk.Error{Reason: sdk.Failed, Summary: "cannot stop " + name, Err: err, Advice: "\"systemctl stop " + name + "\" stops it"}
		}
	}
	_ = c.ResetFailedUnitContext(ctx, name) // an error: it is gone already
	return nil
}

// keepEnvironment writes variables where only root can read them; properties of units can be read by everybody. forget removes the
// file; it may be called more than once.
func keepEnvironment(name string, variables map[string]string) (path string, forget func(), err error) {
	if len(variables) == 0 {
		return "", func() {}, nil
	}
	const dir = "/run/coppice/environment"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, name) // systemd takes it as a pattern: it has no characters that would mean something
	// One that is there is of an attempt that was cut off.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", nil, err
	}
	_, err = f.WriteString(environmentFile(variables))
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		return "", nil, err
	}
	return path, func() { os.Remove(path) }, nil
}

// stream is one of the command's two.
type stream struct{ read, write *os.File }

// streams log what the command writes.
type streams struct {
	stdout, stderr stream
	readers        sync.WaitGroup

	mu        sync.Mutex
	kept      strings.Builder
	truncated bool
}

func openStreams(c *sdk.Call) (*streams, error) {
	s := &streams{}
	var err error
	if s.stdout.read, s.stdout.write, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if s.stderr.read, s.stderr.write, err = os.Pipe(); err != nil {
		s.close()
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	s.readers.Add(2)
	go s.log(c, s.stdout.read, true)
	go s.log(c, s.stderr.read, false)
	return s, nil
}

// log logs what it reads, line by line, until nobody can write any more.
func (s *streams) log(c *sdk.Call, from io.Reader, keep bool) {
	defer s.readers.Done()
	lines := bufio.NewReaderSize(from, longLine)
	for {
		part, err := lines.ReadSlice('\n')
		if len(part) > 0 {
			if keep {
				s.keep(part)
			}
			if text := strings.ToValidUTF8(strings.TrimRight(string(part), "\r\n"), "\uFFFD"); text != "" {
				c.Logf("info", "%s", text)
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (s *streams) keep(part []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if room := keptOutput - s.kept.Len(); len(part) > room {
		part, s.truncated = part[:room], true
	}
	s.kept.Write(part)
}

// started lets go of our own ends for writing: the command has its own.
func (s *streams) started() {
	s.stdout.write.Close()
	s.stderr.write.Close()
}

// finish waits for the last lines and returns what was kept. Nobody is left to write them; only a process that has left the unit
// could hold a pipe open, and is not waited for.
func (s *streams) finish() (string, bool) {
	done := make(chan struct{})
	go func() { s.readers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(drain):
	}
	s.close()
	<-done
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimRight(strings.ToValidUTF8(s.kept.String(), "\uFFFD"), "\n"), s.truncated
}

func (s *streams) close() {
	for _, f := range []*os.File{s.stdout.read, s.stdout.write, s.stderr.read, s.stderr.write} {
		if f != nil {
			f.Close()
		}
	}
}
