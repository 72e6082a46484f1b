package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// process is one started plugin.
type process struct {
	name   string
	path   string
	pins   map[string]Pin
	output *output
	plugin *goplugin.Client
	client *protocol.Client
	pid    int
	ended  chan struct{} // closed by stop: lets go of the thread that pdeathsig hangs on
}

// BrokenError says that a plugin died, hung, or broke the protocol.
type BrokenError struct {
	Plugin string
	Path   string
	Output string // the last lines it wrote; may be empty
	Err    error
}

func (e *BrokenError) Error() string {
	text := fmt.Sprintf("plugin %s is broken: %v", e.Plugin, e.Err)
	if e.Output != "" {
		text += "\nit last wrote:\n  " + strings.ReplaceAll(e.Output, "\n", "\n  ")
	}
	return text
}

func (e *BrokenError) Unwrap() error { return e.Err }

// start runs the source's executable and shakes hands.
func start(ctx context.Context, s Source, sockets string, o Options) (*process, error) {
	p, err := startWith(ctx, s, sockets, o, os.Geteuid() == 0)
	if err != nil && os.Geteuid() == 0 && errors.Is(err, syscall.EPERM) {
		// Root without CAP_SYS_ADMIN, in a container: no PID namespace to be had.
		return startWith(ctx, s, sockets, o, false)
	}
	return p, err
}

func startWith(ctx context.Context, s Source, sockets string, o Options, namespace bool) (*process, error) {
	p := &process{name: s.Name, path: s.Path, pins: s.Pins, ended: make(chan struct{}),
		output: newOutput(func(level, message string) { o.Log(s.Name, level, message) })}
	cmd := &exec.Cmd{Path: s.Path, Args: s.Args, Env: environment(sockets), SysProcAttr: &syscall.SysProcAttr{
		Setpgid:   true,            // Ctrl-C is for us, not for the plugin's children
		Pdeathsig: syscall.SIGKILL, // the plugin does not outlive us
	}}
	if s.Open != nil {
		f, err := s.Open()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		// What was checked is what runs, also when the file is replaced meanwhile. Open files of exec.Cmd begin at 3.
		cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{f}
	}
	if namespace {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID // nothing outlives the plugin
	}
	p.plugin = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  protocol.Handshake,
		Plugins:          goplugin.PluginSet{protocol.Service: &protocol.GRPC{}},
		Cmd:              cmd,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		StartTimeout:     o.StartTimeout,
		Logger:           silent(), // its log parser panics on some lines: we read them ourselves
		Stderr:           p.output,
		SyncStdout:       p.output.stream(),
		SyncStderr:       p.output.stream(),
		SkipHostEnv:      true, // environment() has it
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(protocol.MaxMessage), grpc.MaxCallSendMsgSize(protocol.MaxMessage)),
			grpc.WithStaticStreamWindowSize(protocol.Window), grpc.WithStaticConnWindowSize(protocol.Window)},
	})
	started := make(chan error, 1)
	go func() {
		// PR_SET_PDEATHSIG fires when the *thread* that forked ends, see prctl(2):
		// this one stays until the plugin is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_, err := p.plugin.Start()
		started <- err
		<-p.ended
	}()
	select {
	case err := <-started:
		if err != nil {
			p.stop()
			return nil, p.startError(err)
		}
	case <-ctx.Done():
		go func() { <-started; p.stop() }()
		return nil, ctx.Err()
	}
	p.pid = p.plugin.ReattachConfig().Pid
	rpc, err := p.plugin.Client()
	if err != nil {
		p.stop()
		return nil, p.startError(err)
	}
	raw, err := rpc.Dispense(protocol.Service)
	if err != nil {
		p.stop()
		return nil, p.startError(err)
	}
	p.client = raw.(*protocol.Client)
	return p, nil
}

// ours are variables that the service manager means for this process alone: a plugin, or a program that it starts, that
// finds them would speak in our name. See sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3), systemd.exec(5).
var ours = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "JOURNAL_STREAM"}

// environment is this process's, without what is ours alone, with the folder for the socket. (go-plugin's own option for
// that folder counts only with a runner of one's own.)
func environment(sockets string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name != goplugin.EnvUnixSocketDir && !slices.Contains(ours, name) {
			env = append(env, v)
		}
	}
	return append(env, goplugin.EnvUnixSocketDir+"="+sockets)
}

// startError says which file failed and what it printed. go-plugin's own text
// is about its API, not about the file: only its first line is kept.
func (p *process) startError(err error) error {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, os.ErrNotExist) {
		return &BrokenError{Plugin: p.name, Path: p.path, Err: fmt.Errorf("cannot start %s: %w", p.path, err)}
	}
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return &BrokenError{Plugin: p.name, Path: p.path, Output: p.output.tail(),
		Err: fmt.Errorf("%s did not start as a plugin: %s", p.path, text)}
}

func (p *process) alive() bool { return !p.plugin.Exited() }

// stop ends the process and what is left of its group. It may be called twice.
func (p *process) stop() {
	select {
	case <-p.ended:
		return
	default:
	}
	p.plugin.Kill()
	if p.pid > 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // ESRCH: nothing left, as it should be
	}
	close(p.ended)
}

// kill ends the process at once, without asking.
func (p *process) kill() {
	if p.pid > 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	p.stop()
}

// broken is the error for a plugin that does not keep to the contract.
func (p *process) broken(err error) error {
	if status.Code(err) == codes.ResourceExhausted {
		return &BrokenError{Plugin: p.name, Path: p.path, Err: fmt.Errorf("its answer is over the limit of %d MiB", protocol.MaxMessage>>20)}
	}
	// When it died, the news of its death may still be on the way; its last words are there before them.
	for begin := time.Now(); p.alive() && status.Code(err) == codes.Unavailable && time.Since(begin) < 5*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	if !p.alive() {
		err = errors.New("it died")
	}
	return &BrokenError{Plugin: p.name, Path: p.path, Output: p.output.tail(), Err: err}
}

// classify sorts the error of a reading call: a refusal passes, the end of ctx
// ends the process as well, since it does not answer.
func (p *process) classify(ctx context.Context, err error) error {
	var refusal *protocol.DomainError
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	// gRPC tells the plugin of the deadline too, and the plugin's clock may be the first to strike.
	if deadline, ok := ctx.Deadline(); ok && status.Code(err) == codes.DeadlineExceeded && time.Until(deadline) < time.Second {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		p.kill()
		return ctx.Err()
	}
	broken := p.broken(err)
	p.kill()
	return broken
}

// apply runs a plan; see Host.Apply.
func (p *process) apply(ctx context.Context, r sdk.Request, plan *sdk.Plan, emit func(sdk.Event), grace time.Duration, hurry <-chan struct{}) (*sdk.Result, error) {
	type reply struct {
		result *sdk.Result
		err    error
	}
	// The stream's own context outlives ctx: when the stream is cut, nobody can
	// tell when the plugin has finished cleaning up.
	stream, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	replies := make(chan reply, 1)
	go func() {
		result, err := p.client.Apply(stream, r, plan, emit)
		replies <- reply{result, err}
	}()
	finish := func(got reply) (*sdk.Result, error) {
		return got.result, p.classify(context.WithoutCancel(ctx), got.err)
	}
	select {
	case got := <-replies:
		return finish(got)
	case <-ctx.Done():
	}
	cancelContext, stop := context.WithTimeout(context.Background(), time.Second)
	_ = p.client.Cancel(cancelContext, r.ID) // no answer is handled like refusal to stop
	stop()
	patience := time.NewTimer(grace)
	defer patience.Stop()
waiting:
	for {
		select {
		case got := <-replies:
			return finish(got)
		case <-hurry:
			grace, hurry = min(grace, hurried), nil
			patience.Reset(grace)
		case <-patience.C:
			break waiting
		}
	}
	p.kill()
	<-replies
	return nil, &BrokenError{Plugin: p.name, Path: p.path, Output: p.output.tail(),
		Err: fmt.Errorf("it did not stop within %s and was killed", grace)}
}
