package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

// cgroup adds up the processor time of all processes that were started in it.
//
// The kernel samples by ticks whether a process is in the kernel. One that lives shorter than a tick and meets none in
// the kernel has all its time counted as its own (cputime_adjust), so that what wait4 says of a script of short commands
// is too low, and of one longer process about right. A cgroup sums the ticks before they are weighed.
type cgroup struct {
	path string
	dir  *os.File
}

// newCgroup makes one below that of this process. It says why not if the machine has no cgroups of version 2.
func newCgroup(name string) (*cgroup, error) {
	all, err := mountinfo.Self()
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if m.FSType != "cgroup2" {
			continue
		}
		own, err := ownCgroup()
		if err != nil {
			return nil, err
		}
		path := filepath.Join(m.MountPoint, own, fmt.Sprintf("coppice-bench-%d-%s", os.Getpid(), name))
		if err := os.Mkdir(path, 0o755); err != nil {
			return nil, err
		}
		dir, err := os.Open(path)
		if err != nil {
			return nil, errors.Join(err, os.Remove(path))
		}
		return &cgroup{path, dir}, nil
	}
	return nil, errors.New("no cgroup2 filesystem is mounted")
}

// ownCgroup is that of this process, see man cgroups.
func ownCgroup() (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path), nil
		}
	}
	return "", errors.New("this process is in no cgroup of version 2")
}

// system is the time spent in the kernel so far.
func (c *cgroup) system() (time.Duration, error) {
	data, err := os.ReadFile(filepath.Join(c.path, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "system_usec "); ok {
			us, err := strconv.ParseInt(text, 10, 64)
			return time.Duration(us) * time.Microsecond, err
		}
	}
	return 0, fmt.Errorf("%s/cpu.stat has no system_usec", c.path)
}

// close removes it. A process that has just ended may still be on its way out.
func (c *cgroup) close() error {
	err := c.dir.Close()
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		// Only rmdir: what else is in the folder is the kernel's.
		if e := os.Remove(c.path); e == nil || time.Now().After(deadline) {
			return errors.Join(err, e)
		}
	}
}
