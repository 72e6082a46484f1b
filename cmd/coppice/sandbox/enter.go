package sandbox

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// lost are capabilities that nothing in the tree has: with them it could reach the machine by other ways than files.
var lost = []uintptr{unix.CAP_MKNOD, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME, unix.CAP_NET_ADMIN,
	unix.CAP_SYS_PTRACE, unix.CAP_KILL}

// Enter shuts this process into the tree and executes a program there; it returns only with an error. The process is the
// first of a PID namespace.
func Enter(program string, args, env []string) error {
	runtime.LockOSThread() // what follows is this thread's: the others end at exec
	// Without a network, nothing in the tree reaches another machine, nor a socket of this one that has no file.
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("cannot enter the sandbox: %w", err)
	}
	proc := Root + "/proc"
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("cannot mount /proc in the sandbox: %w", err)
	}
	for _, path := range []string{"/sys", "/sysrq-trigger"} {
		at := proc + path
		if _, err := os.Lstat(at); err != nil {
			continue
		}
		if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cannot guard %s: %w", path, err)
		}
		if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("cannot guard %s: %w", path, err)
		}
	}
	if err := os.Chdir(Root); err != nil {
		return err
	}
	// The old root is put where the new one is, and taken away: see pivot_root(2), "pivot_root(".", ".")".
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("cannot make the sandbox the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot leave the machine's files: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	for _, capability := range lost {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil && err != unix.EINVAL { // the kernel does not know it
			return fmt.Errorf("cannot give up a capability: %w", err)
		}
	}
	return unix.Exec(program, args, env)
}
