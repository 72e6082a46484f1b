package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

// receiver is a running btrfs receive.
type receiver struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	said  tail
	ended chan error // one result
}

// mountPoints are directories that exist on every system; the first is covered for the receiver, and for nobody else.
var mountPoints = []string{"/tmp", "/var/tmp", "/run", "/mnt"}

// startReceiver starts btrfs receive for a folder, a path from the top level of f. It runs in a mount namespace of its own,
// so that it finds everything whatever is mounted where, and it can't leave the folder. inherited stays open in it: a lock on
// it lasts as long as the program. The end of ctx kills it.
func startReceiver(ctx context.Context, f *kernel.Filesystem, folder string, inherited *os.File) (*receiver, error) {
	program, err := findProgram("btrfs")
	if err != nil {
		return nil, volume.Refuse("install btrfs-progs where the snapshots are received", "cannot receive a snapshot: %v", err)
	}
	at := ""
	for _, dir := range mountPoints {
		if st, err := os.Lstat(dir); at == "" && err == nil && st.IsDir() && !strings.HasPrefix(program, dir+"/") {
			at = dir
		}
	}
	if at == "" {
		return nil, volume.Refuse("", "cannot receive a snapshot: none of the directories %s exists", strings.Join(mountPoints, ", "))
	}
	r := &receiver{ended: make(chan error, 1)}
	// --chroot: a stream is made of paths, and none of them may lead out of the folder.
	r.cmd = exec.CommandContext(ctx, program, "receive", "--chroot", "-m", at, filepath.Join(at, folder))
	r.cmd.Env = []string{"LC_ALL=C", "PATH=" + programPath}
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	r.cmd.ExtraFiles = []*os.File{inherited}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	go ownThread(func() {
		err := enterNamespace(f, at, program)
		if err == nil {
			err = r.cmd.Start()
		}
		started <- err
		if err == nil {
			r.ended <- r.cmd.Wait()
		}
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start btrfs receive: %w", err)
	}
	return r, nil
}

// ownThread calls do on a thread that ends with it, whatever do has made of it. It must not be the process's first one: that
// never ends, and is what /proc/self shows. For the same reason it has to outlive the programs that it starts: PR_SET_PDEATHSIG
// fires at the end of a thread, see prctl(2).
func ownThread(do func()) {
	runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
	if unix.Gettid() != unix.Getpid() {
		do()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ownThread(do)
	}()
	<-done
	runtime.UnlockOSThread()
}

// enterNamespace gives the calling thread a mount namespace for a program, in which the top level is at a directory.
func enterNamespace(f *kernel.Filesystem, at, program string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	// Slave: what is unmounted outside is unmounted here too, and nothing gets out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("cannot make the mounts of a namespace its own: %w", err)
	}
	// Where mounts are private that does not reach this namespace, and a disk that is unmounted meanwhile would stay in use
	// for as long as the program runs: it keeps no mount but what it needs.
	mounts, err := mountinfo.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(mounts) {
		if !programNeeds(m.MountPoint, program) {
			_ = unix.Unmount(m.MountPoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) // what is below something else goes with it
		}
	}
	return f.Attach(at)
}

// programNeeds reports whether a program and its libraries may be on a mount.
func programNeeds(point, program string) bool {
	if point == "/" || strings.HasPrefix(program, point+"/") {
		return true
	}
	for _, dir := range []string{"/proc", "/dev", "/etc", "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix", "/gnu"} {
		if point == dir || strings.HasPrefix(point, dir+"/") {
			return true
		}
	}
	return false
}

// feed passes a stream to the receiver and waits for its end. The error of the stream counts before that of the receiver,
// which only follows from it.
func (r *receiver) feed(ctx context.Context, stream io.Reader) error {
	_, err := io.Copy(r.stdin, stream)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, os.ErrClosed) { // it ended first, and says why
		err = nil
	}
	if err != nil {
		// Killed before it sees the end of its input: a stream that ends early at a command would look whole to some versions.
		_ = r.cmd.Process.Kill()
	}
	r.stdin.Close()
	ended := <-r.ended
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case ended != nil:
		return r.failure(ended)
	}
	return nil
}

// failure says why the receiver failed, in its own words.
func (r *receiver) failure(err error) error {
	said := r.said.String()
	if said == "" {
		said = err.Error()
	}
	// strerror's text, which Go has in small letters.
	if text := unix.ENOSPC.Error(); strings.HasSuffix(strings.ToLower(said), text) {
		return fmt.Errorf("btrfs receive failed: %s: %w", strings.TrimSuffix(said[:len(said)-len(text)], ": "), unix.ENOSPC)
	}
	return fmt.Errorf("btrfs receive failed: %s", said)
}

// programPath is where programs are looked for: services have no sbin in their PATH everywhere.
const programPath = "/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// findProgram returns the real path of a program: of PATH first, then of the usual places.
func findProgram(name string) (string, error) {
	found, err := exec.LookPath(name)
	for _, dir := range filepath.SplitList(programPath) {
		if err == nil {
			break
		}
		found, err = exec.LookPath(filepath.Join(dir, name))
	}
	if err != nil {
		return "", fmt.Errorf("the program %q is not installed", name)
	}
	return filepath.EvalSymlinks(found)
}

// tail keeps the last lines that a program wrote.
type tail struct {
	mu   sync.Mutex
	data []byte
}

const tailBytes = 2048

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if n := len(t.data) - tailBytes; n > 0 {
		t.data = append(t.data[:0], t.data[n:]...)
	}
	return len(p), nil
}

// story reports whether btrfs receive only tells what it does.
func story(line []byte) bool {
	return bytes.HasPrefix(line, []byte("At s")) || bytes.HasPrefix(line, []byte("Chroot to "))
}

// String is what was said last, in one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for line := range bytes.Lines(t.data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !story(line) {
			lines = append(lines, strings.ToValidUTF8(string(line), "?"))
		}
	}
	if n := len(lines) - 3; n > 0 {
		lines = lines[n:]
	}
	return strings.Join(lines, "; ")
}
