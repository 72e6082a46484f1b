package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// head prints what the figures depend on.
func (b *bench) head() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	below, err := filesystemOf(b.dir)
	if err != nil {
		return err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	b.printf("kernel %s, %d cores, load %s at the start\n", bytes.TrimRight(u.Release[:], "\x00"), runtime.NumCPU(),
		strings.Join(strings.Fields(string(load))[:1], " "))
	b.printf("%s, %s, %s, %s\n", versionOf(b.coppice, "version"), versionOf("btrfs", "--version"), versionOf("btrbk", "--version"),
		versionOf("snapper", "--version"))
	b.printf("Each filesystem is a sparse file on %s, freshly mounted before each run; what changes it starts from a\n", below)
	b.printf("copy each time. %d runs of each, in turn. The page cache keeps the files: these are times of programs and\n", b.runs)
	b.printf("kernel, not of a disk. Times are wall times in ms unless it says otherwise; ratios are those of medians.\n")
	return nil
}

// versionOf is the first line that a program says of itself.
func versionOf(program string, args ...string) string {
	if !installed(program) {
		return program + " is not installed"
	}
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return fmt.Sprintf("%s (%v)", program, err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line = strings.Replace(line, " command line client, version", "", 1)
	return line
}

// filesystemOf names the type of the filesystem that a directory is on.
func filesystemOf(dir string) (string, error) {
	all, err := mountinfo.Self()
	if err != nil {
		return "", err
	}
	best := mountinfo.Mount{}
	for _, m := range all {
		point := strings.TrimSuffix(m.MountPoint, "/")
		if (dir == point || strings.HasPrefix(dir, point+"/")) && len(m.MountPoint) >= len(best.MountPoint) {
			best = m
		}
	}
	return best.FSType, nil
}
