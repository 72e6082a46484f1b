package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

// inInitrd does what a real initrd starts the agent for.
func inInitrd(verb string, args []string) error {
	switch {
	case verb == "stage":
		return stage()
	case verb == "await" && len(args) == 1:
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
// other machine from the same memory has had, and the time. Then it lets the initrd go on.
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
	return os.WriteFile(wire.Go, nil, 0o600)
}

// reseed gives the kernel entropy, and makes it use it at once, see random(4).
func reseed(seed []byte) error {
	f, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	const addEntropy, reseedCRNG = 0x40085203, 0x5207 // RNDADDENTROPY and RNDRESEEDCRNG, linux/random.h
	var pool struct {
		bits, size int32
		data       [64]byte
	}
	pool.size = int32(copy(pool.data[:], seed))
	pool.bits = 8 * pool.size
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), addEntropy, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return errno
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), reseedCRNG, 0); errno != 0 {
		return errno
	}
	return nil
}
