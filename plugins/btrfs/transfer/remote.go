package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// remotePlace is a place on another machine, where "coppice receive" does what has to be done.
type remotePlace struct {
	program string
	args    []string
	where   string // the host, for messages
	open    openRequest
	stall   time.Duration
	talk    *talk // nil: not connected
}

// talk is one connection.
type talk struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	said  tail
	ended chan struct{} // closed when ssh has ended
	stop  context.CancelFunc
}

// remoteCommand is what the shell on the other side gets. sshd has one start it: nothing of an input is ever in it.
const remoteCommand = "coppice receive"

// openRemote connects. What ssh can't reach is absent.
func openRemote(ctx context.Context, o opener, t target, in SendInput, source kernel.UUID) (place, error) {
	program := o.ssh
	if program == "" {
		found, err := findProgram("ssh")
		if err != nil {
			return nil, volume.Refuse("install ssh, Debian's openssh-client", "cannot reach %q: %v", t.host, err)
		}
		program = found
	}
	p := &remotePlace{program: program, args: sshArguments(t, in.SSHConfig), where: t.host, stall: time.Duration(in.StallTimeout),
		open: openRequest{Version: wireVersion, Path: t.path, Source: source}}
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// sshArguments are all that ssh gets.
func sshArguments(t target, config string) []string {
	var args []string
	if config != "" {
		args = append(args, "-F", config)
	}
	if t.port != "" {
		args = append(args, "-p", t.port)
	}
	args = append(args, "-T", // no terminal
		"-o", "BatchMode=yes", // ask nobody
		"-o", "ConnectTimeout=20",
		"-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", // notice when the other side is gone
		"-o", "ClearAllForwardings=yes")
	host := t.host
	if t.user != "" {
		host = t.user + "@" + host
	}
	return append(args, "--", host, remoteCommand)
}

func (p *remotePlace) connect(ctx context.Context) error {
	if p.talk != nil {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	t := &talk{cmd: exec.CommandContext(ctx, p.program, p.args...), ended: make(chan struct{}), stop: stop}
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	t.cmd.Stderr = &t.said
	t.cmd.WaitDelay = time.Second // whoever ssh has started may keep its stderr
	in, err := t.cmd.StdinPipe()
	if err != nil {
		stop()
		return err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		stop()
		return err
	}
	t.in, t.out = in, bufio.NewReaderSize(out, 64<<10)
	started := make(chan error)
	go ownThread(func() {
		err := t.cmd.Start()
		started <- err
		if err == nil {
			awaitEnd(t.cmd.Process.Pid)
			close(t.ended)
		}
	})
	if err := <-started; err != nil {
		stop()
		return fmt.Errorf("cannot start ssh: %w", err)
	}
	p.talk = t
	var r reply
	if err := p.ask(request{Open: &p.open}, &r); err != nil {
		return err
	}
	if r.Version != wireVersion {
		p.close()
		return volume.Refuse("use the same version of coppice on both machines", "%s speaks version %d of the transfer, this machine %d", p.where, r.Version, wireVersion)
	}
	return nil
}

// ask sends a request and waits for its reply.
func (p *remotePlace) ask(q request, r *reply) error {
	if err := writeLine(p.talk.in, q); err != nil {
		return p.lost(err)
	}
	return p.answer(r)
}

// answer reads a reply.
func (p *remotePlace) answer(r *reply) error {
	if err := readLine(p.talk.out, r); err != nil {
		return p.lost(err)
	}
	return r.err(p.where)
}

// lost ends a connection that has failed, and says why, in ssh's own words where it has any.
func (p *remotePlace) lost(err error) error {
	t := p.talk
	p.talk = nil
	t.in.Close()
	ended := t.end()
	said := t.said.String()
	switch {
	case said != "":
		err = fmt.Errorf("the connection to %s is lost: %s", p.where, said)
	case ended != nil:
		err = fmt.Errorf("the connection to %s is lost: ssh: %w", p.where, ended)
	default:
		err = fmt.Errorf("the connection to %s is lost: %w", p.where, err)
	}
	e := volume.Refuse("try \"ssh "+p.where+" "+remoteCommand+"\" as root: it has to wait for input", "%v", err)
	e.Path = "/to"
	return &absentError{e}
}

// endTime is how long ssh may take to end by itself after its input has.
const endTime = 3 * time.Second

// end waits for the end of ssh, and makes it end.
func (t *talk) end() error {
	defer t.stop()
	select {
	case <-t.ended:
	case <-time.After(endTime):
		_ = t.cmd.Process.Kill()
		<-t.ended
	}
	_ = syscall.Kill(-t.cmd.Process.Pid, syscall.SIGKILL) // what it has started; ESRCH: nothing
	return t.cmd.Wait()
}

// awaitEnd waits until a child has ended, and leaves it to be reaped by exec.Cmd: nobody has read all of its output yet.
func awaitEnd(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

func (p *remotePlace) close() error {
	if t := p.talk; t != nil {
		p.talk = nil
		t.in.Close()
		t.end()
	}
	return nil
}

func (p *remotePlace) observe(ctx context.Context, q query) (content, error) {
	if err := p.connect(ctx); err != nil {
		return content{}, err
	}
	var r reply
	if err := p.ask(request{Query: &q}, &r); err != nil {
		return content{}, err
	}
	if r.Content == nil {
		return content{}, fmt.Errorf("%s does not say what it has", p.where)
	}
	return *r.Content, nil
}

func (p *remotePlace) clean(ctx context.Context, all []remnant) ([]int, error) {
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	var r reply
	err := p.ask(request{Clean: all}, &r)
	return r.Gone, err
}

func (p *remotePlace) keep(ctx context.Context, j job, from io.Reader) (kept, error) {
	if err := p.connect(ctx); err != nil {
		return kept{}, err
	}
	t := p.talk
	if err := writeLine(t.in, request{Keep: &j, Stall: p.stall}); err != nil {
		return kept{}, p.lost(err)
	}
	written := make(chan error, 1)
	answered := make(chan error, 1)
	var r reply
	go func() {
		err := writeFrames(t.in, from)
		if err != nil {
			t.in.Close() // without the end of the stream: the other side removes what it has of it
		}
		written <- err
	}()
	go func() { answered <- readLine(t.out, &r) }()
	select {
	case <-ctx.Done():
		t.in.Close()
		p.lost(ctx.Err())
		return kept{}, context.Cause(ctx)
	case err := <-answered:
		switch {
		case err != nil:
			err = p.lost(err)
			if failed := first(written); failed != nil && !isPipe(failed) { // it was our side that gave up
				return kept{}, failed
			}
			return kept{}, err
		case len(r.Failed) > 0: // in the middle of the stream, mostly: there is no going on with this connection
			p.close()
			return kept{}, r.err(p.where)
		case r.Kept == nil:
			p.close()
			return kept{}, fmt.Errorf("%s does not say what it has kept", p.where)
		}
	}
	return *r.Kept, <-written
}

func (p *remotePlace) hold(ctx context.Context, h heldCopy) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	var r reply
	return p.ask(request{Hold: &h}, &r)
}

// first is what is in a channel already.
func first(c chan error) error {
	select {
	case err := <-c:
		return err
	default:
		return nil
	}
}

// isPipe reports whether an error only says that the other side has ended, or that we have closed our end since.
func isPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed)
}
