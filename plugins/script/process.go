package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/program"
	"github.com/hbohlen/coppice/sdk"
)

const (
	mostOutput = 1 << 20 // bytes of standard output that are read as JSON
	longLine   = 8 << 10 // longer lines are logged in parts
	drain      = 2 * time.Second
)

// process is a command to run.
type process struct {
	file      string // where the program is
	command   []string
	call      *sdk.Call
	log       func(line string)
	in        Program // folder, environment, what it reads
	keep      bool    // its standard output is kept, not logged
	readOnly  bool    // it sees all mounts read-only
	stopAfter time.Duration
}

// ended is how a command has ended.
type ended struct {
	code     int64  // 128 and the signal where one ended it
	signal   string // "" for none
	output   []byte // of standard output, when it is kept
	overflow bool   // there was more of it
	last     string // the last line of standard error; "": none
	stopped  bool   // on request
}

// run runs a command and waits for its end. Whatever is left of its process group then is killed. An error is about running
// it; what the command itself says is in what it returns.
func (p *process) run(ctx context.Context) (ended, error) {
	type outcome struct {
		end ended
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		// PR_SET_PDEATHSIG fires when the thread that forked ends, see prctl(2), and a view belongs to a thread: this one is
		// the command's. It is not unlocked where it has a view, and ends then.
		runtime.LockOSThread()
		if p.readOnly && os.Geteuid() == 0 {
			if err := readOnlyView(); err != nil {
				done <- outcome{err: fmt.Errorf("cannot make its mounts read-only: %w", err)}
				return
			}
		} else {
			defer runtime.UnlockOSThread()
		}
		end, err := p.here(ctx)
		done <- outcome{end, err}
	}()
	o := <-done
	return o.end, o.err
}

// here runs the command from this thread.
func (p *process) here(ctx context.Context) (ended, error) {
	cmd := &exec.Cmd{Path: p.file, Args: p.command, Dir: string(p.in.Directory), Env: p.environment(), WaitDelay: drain,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	switch {
	case p.in.Input != nil:
		cmd.Stdin = bytes.NewReader(append(bytes.Clone(p.in.Input), '\n'))
	case p.in.Stdin != nil:
		cmd.Stdin = strings.NewReader(*p.in.Stdin)
	}
	stdout, stderr, spoken := &kept{}, &lines{log: p.log}, &lines{log: p.log}
	cmd.Stderr = stderr
	if cmd.Stdout = io.Writer(spoken); p.keep {
		cmd.Stdout = stdout
	}
	if err := cmd.Start(); err != nil {
		return ended{}, err
	}
	stop := make(chan struct{})
	stopped := make(chan bool, 1)
	go func() { stopped <- p.end(ctx, cmd.Process.Pid, stop) }()
	// While its first process is not yet waited for, the number of its group means that group and no other.
	for errors.Is(unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	close(stop)
	wasStopped := <-stopped
	_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // ESRCH: nothing is left, as it should be
	err := cmd.Wait()
	spoken.flush()
	stderr.flush()
	end := ended{output: stdout.data, overflow: stdout.overflow, last: stderr.last, stopped: wasStopped}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return end, err
	case status.Signaled():
		end.signal, end.code = status.Signal().String(), 128+int64(status.Signal())
	default:
		end.code = int64(status.ExitStatus())
	}
	return end, nil
}

// end ends the command's group when ctx does, first politely; it reports whether it had to. It returns when stop is closed.
func (p *process) end(ctx context.Context, pid int, stop <-chan struct{}) bool {
	select {
	case <-stop:
		return false
	case <-ctx.Done():
	}
	_ = unix.Kill(-pid, unix.SIGTERM)
	_ = unix.Kill(-pid, unix.SIGCONT) // one that sleeps hears nothing
	patience := time.NewTimer(p.stopAfter)
	defer patience.Stop()
	select {
	case <-stop:
	case <-patience.C:
		_ = unix.Kill(-pid, unix.SIGKILL)
		<-stop
	}
	return true
}

// environment is all that the command finds in its environment: what the playbook says, and what is the same on every machine.
func (p *process) environment() []string {
	home := os.Getenv("HOME")
	if home == "" {
		home = "/"
	}
	env := []string{"PATH=" + strings.Join(program.Folders, ":"), "LANG=C.UTF-8", "HOME=" + home, "COPPICE_RUN=" + p.call.Run,
		"COPPICE_STEP=" + p.call.Step, "COPPICE_INSTANT=" + p.call.Instant.Format(time.RFC3339Nano)}
	if p.readOnly && os.Geteuid() == 0 {
		env = append(env, "TMPDIR="+scratch)
	}
	for name, value := range p.in.Environment { // of two with one name the last counts
		env = append(env, name+"="+value)
	}
	return env
}

// kept keeps the first part of what is written to it.
type kept struct {
	data     []byte
	overflow bool
}

func (k *kept) Write(data []byte) (int, error) {
	part := data
	if room := mostOutput - len(k.data); len(part) > room {
		part, k.overflow = part[:room], true
	}
	k.data = append(k.data, part...)
	return len(data), nil
}

// lines logs what is written to it, line by line.
type lines struct {
	log  func(line string)
	rest []byte
	last string
}

func (l *lines) Write(data []byte) (int, error) {
	n := len(data)
	for len(data) > 0 {
		part, after, whole := bytes.Cut(data, []byte("\n"))
		room := longLine - len(l.rest)
		if len(part) >= room {
			part, after, whole = data[:room], data[room:], true
		}
		l.rest = append(l.rest, part...)
		if whole {
			l.flush()
		}
		data = after
	}
	return n, nil
}

// flush logs what is left.
func (l *lines) flush() {
	text := strings.TrimRight(string(l.rest), "\r\n")
	l.rest = l.rest[:0]
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if strings.TrimSpace(text) != "" {
		l.log(text)
		l.last = text
	}
}
