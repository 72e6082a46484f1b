package plugintest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/hbohlen/coppice/sdk/protocol"
)

// mark is a variable of the plugin's environment by which it and all that it starts are found again.
const mark = "COPPICE_PLUGINTEST"

// startTimeout is how long a plugin may take to shake hands, as in a run.
const startTimeout = 10 * time.Second

// launcher starts processes of one plugin.
type launcher struct {
	command []string
	env     []string
	mark    string
	home    string // working folder of the processes: nothing must appear in it
	sockets string
	said    *recorder
}

func newLauncher(o Options, said *recorder) (*launcher, error) {
	command := o.Command
	if len(command) == 0 {
		var err error
		if command, err = self(); err != nil {
			return nil, err
		}
	}
	file, err := exec.LookPath(command[0])
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return nil, err
	}
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	l := &launcher{command: append([]string{file}, command[1:]...), mark: mark + "=" + rand.Text(), home: filepath.Join(dir, "home"),
		sockets: dir, said: said}
	l.env = append(append(os.Environ(), o.Env...), l.mark)
	return l, os.Mkdir(l.home, 0o700)
}

// socketDir makes a folder with a path so short that a socket of go-plugin's, whose own part has some 45 bytes, fits into sun_path, see
// unix(7).
func socketDir() (string, error) {
	var first error
	for _, place := range []string{os.TempDir(), "/tmp", "/dev/shm"} {
		dir, err := os.MkdirTemp(place, "coppice-")
		switch {
		case err == nil && len(dir) <= 60:
			return dir, nil
		case err == nil:
			err = errors.Join(fmt.Errorf("the path of %s is too long for a socket", dir), os.Remove(dir))
		}
		if first == nil {
			first = err
		}
	}
	return "", first
}

func (l *launcher) close() { os.RemoveAll(l.sockets) }

// start runs the plugin as the runner does, but in no PID namespace: what it leaves behind can be seen.
func (l *launcher) start() (*session, error) {
	var run *process
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  protocol.Handshake,
		Plugins:          goplugin.PluginSet{protocol.Service: &protocol.GRPC{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		StartTimeout:     startTimeout,
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}),
		Stderr:           io.Discard, // process has it
		SyncStdout:       l.said.stdout(),
		SyncStderr:       l.said.stderr(),
		SkipHostEnv:      true,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: l.sockets},
		GRPCDialOptions:  dialOptions,
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			cmd.Path, cmd.Args, cmd.Dir = l.command[0], l.command, l.home
			cmd.Env = append(cmd.Env, l.env...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
			var err error
			run, err = newProcess(cmd, l.said)
			return run, err
		},
	})
	s := &session{end: func() {
		client.Kill()
		run.killGroup()
	}}
	rpc, err := client.Client()
	if err == nil {
		var raw any
		if raw, err = rpc.Dispense(protocol.Service); err == nil {
			s.client = raw.(*protocol.Client)
			return s, nil
		}
	}
	if run != nil {
		s.end()
	}
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return nil, errors.New(text + l.said.lastWords())
}

var dialOptions = []grpc.DialOption{
	grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(protocol.MaxMessage), grpc.MaxCallSendMsgSize(protocol.MaxMessage)),
	grpc.WithStaticStreamWindowSize(protocol.Window), grpc.WithStaticConnWindowSize(protocol.Window)}

// process is a started plugin. Its streams end soon after it, even when a child of it holds them open.
type process struct {
	cmd      *exec.Cmd
	out, err *os.File // our ends of its streams
	theirs   []*os.File
	stdout   io.ReadCloser
	stderr   io.ReadCloser
	ended    chan struct{}
}

func newProcess(cmd *exec.Cmd, said *recorder) (*process, error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, outR.Close(), outW.Close())
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	return &process{cmd: cmd, out: outR, err: errR, theirs: []*os.File{outW, errW}, ended: make(chan struct{}),
		stdout: tee{outR, said.rawStdout()}, stderr: tee{errR, said.stderr()}}, nil
}

type tee struct {
	*os.File
	to io.Writer
}

func (t tee) Read(buffer []byte) (int, error) {
	n, err := t.File.Read(buffer)
	_, _ = t.to.Write(buffer[:n]) // it only remembers
	return n, err
}

// Start implements runner.Runner. The process is forked from the caller's own thread: it is in that thread's namespaces.
func (p *process) Start(context.Context) error {
	err := p.cmd.Start()
	for _, f := range p.theirs {
		f.Close()
	}
	if err != nil {
		return err
	}
	go func() {
		_, _ = p.cmd.Process.Wait() // how it ended is seen by what it did not answer
		const last = 3 * time.Second
		_ = p.out.SetReadDeadline(time.Now().Add(last))
		_ = p.err.SetReadDeadline(time.Now().Add(last))
		close(p.ended)
	}()
	return nil
}

func (p *process) Stdout() io.ReadCloser           { return p.stdout }
func (p *process) Stderr() io.ReadCloser           { return p.stderr }
func (p *process) Name() string                    { return p.cmd.Path }
func (p *process) Diagnose(context.Context) string { return "" }

// Wait returns when the process has ended.
func (p *process) Wait(context.Context) error {
	<-p.ended
	return nil
}

func (p *process) Kill(context.Context) error {
	if p.cmd.Process == nil {
		return nil
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (p *process) ID() string {
	if p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// killGroup does what the runner does when a plugin has ended.
func (p *process) killGroup() {
	if p.cmd.Process != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // ESRCH: nothing left, as it should be
	}
	p.out.Close()
	p.err.Close()
}

// survivors are processes with our mark that still run.
func (l *launcher) survivors() []survivor {
	var all []survivor
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains("\x00"+string(data), "\x00"+l.mark+"\x00") {
			continue
		}
		dir := filepath.Dir(file)
		pid, _ := strconv.Atoi(filepath.Base(dir))
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		all = append(all, survivor{pid, strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))})
	}
	return all
}

type survivor struct {
	pid  int
	line string
}
