package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageVariable tells the child that it is the stage.
const stageVariable = "COPPICE_SANDBOX_STAGE"

// lifelineFd is where the stage finds the lifeline.
const lifelineFd = 3

// Inside reports whether this process is the stage.
func Inside() bool { return os.Getenv(stageVariable) != "" && os.Getpid() == 1 }

// ErrNotPermitted says that this process may not have namespaces.
var ErrNotPermitted = errors.New("a mount namespace of its own takes root")

// Start executes this program again, with the arguments given, as the stage, and returns its exit code. Signals to this process
// go to the stage.
func Start(args []string) (code int, err error) {
	if os.Geteuid() != 0 {
		return 0, ErrNotPermitted
	}
	lifeline, hold, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer hold.Close()
	c := exec.Command("/proc/self/exe")
	c.Args = args
	c.Env = append(os.Environ(), stageVariable+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.ExtraFiles = []*os.File{lifeline}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	runtime.LockOSThread() // Pdeathsig is about the thread that forks
	defer runtime.UnlockOSThread()
	if err := c.Start(); err != nil {
		lifeline.Close()
		if errors.Is(err, syscall.EPERM) {
			return 0, fmt.Errorf("%w, with the right to make one: %w", ErrNotPermitted, err)
		}
		return 0, err
	}
	lifeline.Close()
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-ended:
				return
			case s := <-signals:
				// What comes from the keyboard, the terminal has sent to the stage as well.
				if s != os.Interrupt || !foreground() {
					_ = c.Process.Signal(s) // it may have ended
				}
			}
		}
	}()
	err = c.Wait()
	close(ended)
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return 0, err
	}
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return c.ProcessState.ExitCode(), nil
}

// foreground reports whether this process is in the foreground of its terminal.
func foreground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// live ends this process when the lifeline ends.
func live() {
	lifeline := os.NewFile(lifelineFd, "lifeline")
	unix.CloseOnExec(lifelineFd)
	go func() {
		_, _ = lifeline.Read(make([]byte, 1)) // nothing is ever written
		os.Exit(128 + int(syscall.SIGKILL))   // as the first process of its namespace: every other one ends with it
	}()
}
