package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageVariable is set, to the directory for everything that is made, in the process that does the work.
const stageVariable = "COPPICE_BENCH_DIR"

// stage starts this program again in a mount namespace of its own, so that no mount outlives it, and removes what it
// leaves however it ends. It returns the exit code.
func stage() int {
	dir, err := os.MkdirTemp("", "coppice-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench: cannot remove what is left:", err)
		}
	}()
	runtime.LockOSThread() // the parent-death signal is tied to the thread
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Args[0] = os.Args[0]
	os.Unsetenv("COPPICE_KEEP") // loopfs would keep what it made
	child.Env = append(os.Environ(), stageVariable+"="+dir)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if err := child.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			err = fmt.Errorf("mounting a throw-away filesystem needs root: %w", err)
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	go func() {
		for s := range signals {
			// The terminal sends Ctrl-C to both; once more does no harm.
			_ = child.Process.Signal(s)
		}
	}()
	err = child.Wait()
	var exited *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exited) && exited.Exited():
		return exited.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

// coverHost hides from the programs under test what this machine has configured for them, and from this machine what
// they would write: snapper reads its configurations in /etc/snapper only, and may log to /var/log.
func coverHost(dir string) error {
	for _, host := range []string{"/etc/coppice", "/etc/snapper", "/etc/btrbk", "/var/log"} {
		if info, err := os.Stat(host); err != nil || !info.IsDir() {
			continue
		}
		cover := filepath.Join(dir, "cover", host)
		if err := os.MkdirAll(cover, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(cover, host, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cannot cover %s: %w", host, err)
		}
	}
	return nil
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
