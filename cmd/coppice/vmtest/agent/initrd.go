package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

// inInitrd does what a real initrd starts the agent for.
func inInitrd(verb string, args []string) error {
	switch {
	case verb == "stage":
		return stage()
	case verb == "await" && len(args) == 1:
		if console, err := os.OpenFile("/dev/console", os.O_WRONLY|unix.O_NOCTTY, 0); err == nil {
			fmt.Fprintf(console, "\n%s%s\n", wire.Awaits, args[0])
			console.Close()
		}
		for {
			if _, err := os.Stat(args[0]); err == nil {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
	case verb == "fresh" && len(args) == 3:
		return fresh(args[0], args[1], args[2])
	}
	return fmt.Errorf("%q is nothing that it does", append([]string{verb}, args...))
}

// fresh makes a machine that was restored one that was just switched on, as far as it matters: it has another boot id, random numbers that no
// other machine from the same memory has had, and the time. Then it finds its disks.
func fresh(boot, seed, now string) error {
	data, err := hex.DecodeString(seed)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(now, 10, 64)
	if err != nil {
		return err
	}
	if err := reseed(data); err != nil {
		return fmt.Errorf("cannot seed the random numbers: %w", err)
	}
	if err := unix.Settimeofday(&unix.Timeval{Sec: seconds}); err != nil {
		return err
	}
	const id = "/run/coppice-test-boot-id"
	if err := os.WriteFile(id, []byte(boot+"\n"), 0o444); err != nil {
		return err
	}
	if err := unix.Mount(id, "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if out, err := exec.Command("/usr/sbin/modprobe", "virtio_blk").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot load the driver of disks: %w: %s", err, out)
	}
	return nil
}

// reseed gives the kernel entropy, and makes it use it at once, see random(4).
func reseed(seed []byte) error {
	if _, err := unix.Getrandom(make([]byte, 1), 0); err != nil { // waits until it has any at all
		return err
	}
	f, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(seed); err != nil {
		return err
	}
	const reseedCRNG = 0x5207 // RNDRESEEDCRNG, linux/random.h
	return unix.IoctlSetInt(int(f.Fd()), reseedCRNG, 0)
}
