package cutdisk_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/cutdisk"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
)

// victim records and writes until it is killed. It says which loop device it has and which process serves it.
func victim(image, dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	mount := filepath.Join(dir, "mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		return err
	}
	disk, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	tape, err := cutdisk.TempFile(dir)
	if err != nil {
		return err
	}
	r, err := cutdisk.Record(server(), tape, 1<<40, disk)
	if err != nil {
		return err
	}
	defer r.Close() // never, and until then nobody else closes it
	loop, err := loopfs.Attach(r.Disk(0), "cutdisk")
	if err != nil {
		return err
	}
	if err := unix.Mount(loop.Name(), mount, "btrfs", 0, ""); err != nil {
		return err
	}
	top, err := os.Open(mount)
	if err != nil {
		return err
	}
	fmt.Println(loop.Name(), r.PID())
	for i := 0; ; i++ {
		if err := os.WriteFile(filepath.Join(mount, strconv.Itoa(i%16)), make([]byte, 1<<18), 0o600); err != nil {
			return err
		}
		if i%8 == 7 {
			if err := unix.Syncfs(int(top.Fd())); err != nil {
				return err
			}
		}
	}
}

// Killed at any moment, with its filesystem mounted and busy, it leaves no process, no mount and no loop device.
func TestNothingOutlivesAKill(t *testing.T) {
	fuse(t)
	image := filesystem(t)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for range 5 {
		dir := t.TempDir()
		c := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"victim", image, dir}, Stderr: os.Stderr}
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		must(t, err)
		loop, server, _ := strings.Cut(strings.TrimSpace(line), " ")
		held := backing(loop)
		wait := time.Duration(random.IntN(400)) * time.Millisecond
		time.Sleep(wait)
		if gone(server) {
			t.Error("the server has ended before it had to")
		}
		must(t, c.Process.Kill())
		ended := make(chan error)
		go func() { ended <- c.Wait() }()
		select {
		case <-ended:
		case <-time.After(5 * time.Minute):
			t.Fatalf("killed after %v, it does not end", wait)
		}
		eventually(t, "the server is still there", func() bool { return gone(server) })
		eventually(t, "the loop device is still attached", func() bool { return held == "" || backing(loop) != held })
	}
	all, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if strings.Contains(string(all), "cutdisk") || strings.Contains(string(all), filepath.Dir(t.TempDir())) {
		t.Errorf("something is mounted:\n%s", all)
	}
}

// backing is what stands behind a loop device, so that another one's file can't be taken for it.
func backing(loop string) string {
	dir := filepath.Join("/sys/block", filepath.Base(loop), "loop")
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	file, _ := os.ReadFile(filepath.Join(dir, "backing_file"))
	return fmt.Sprint(info.ModTime(), string(file))
}

// gone says whether a process has ended; one that nobody has waited for has.
func gone(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}

func eventually(t *testing.T, problem string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(problem)
		}
	}
}
