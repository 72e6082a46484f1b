package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/cmd/coppice/vmtest/wire"
)

// unitText starts the agent in the system that was booted, as early as there are services.
const unitText = `[Unit]
DefaultDependencies=no
ConditionPathExists=!/etc/initrd-release
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/run/` + wire.Payload + `/agent
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Restart=always
RestartSec=100ms
TimeoutStopSec=2s
`

// stage brings the payload of an initrd, and the agent's unit, to where the system that is booted from it has them.
func stage() error {
	const units, name = "/run/systemd/system/", "coppice-test-agent.service"
	if err := os.MkdirAll("/run/"+wire.Payload, 0o755); err != nil {
		return err
	}
	// Of its own: from what is in /run itself some initrds let nothing be executed.
	if err := unix.Mount("tmpfs", "/run/"+wire.Payload, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	if err := os.CopyFS("/run/"+wire.Payload, os.DirFS("/"+wire.Payload)); err != nil {
		return err
	}
	if err := os.MkdirAll(units+"sysinit.target.wants", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(units+name, []byte(unitText), 0o644); err != nil {
		return err
	}
	return os.Symlink("../"+name, units+"sysinit.target.wants/"+name)
}

// boot brings up the root that the kernel's command line names, root=DEVICE rootflags=OPTIONS, and becomes its init.
func boot() {
	must := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "agent: cannot %s: %v\n", what, err)
			for { // for the test to see on the console
				time.Sleep(time.Hour)
			}
		}
	}
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}} {
		must("make "+m[1], os.MkdirAll(m[1], 0o755))
		must("mount "+m[1], unix.Mount(m[0], m[1], m[0], 0, map[bool]string{true: "mode=755"}[m[0] == "tmpfs"]))
	}
	modules, _ := filepath.Glob("/modules/*.ko*")
	sort.Strings(modules)
	for _, file := range modules {
		f, err := os.Open(file)
		must("open "+file, err)
		flags := 0
		if !strings.HasSuffix(file, ".ko") {
			flags = unix.MODULE_INIT_COMPRESSED_FILE
		}
		if err := unix.FinitModule(int(f.Fd()), "", flags); err != nil && err != unix.EEXIST && err != unix.ENODEV {
			must("load "+file, err)
		}
		f.Close()
	}
	words := map[string]string{}
	cmdline, _ := os.ReadFile("/proc/cmdline")
	for _, word := range strings.Fields(string(cmdline)) {
		key, value, _ := strings.Cut(word, "=")
		words[key] = value
	}
	must("make /sysroot", os.MkdirAll("/sysroot", 0o755))
	var err error
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = unix.Mount(words["root"], "/sysroot", "btrfs", 0, words["rootflags"]); err != unix.ENOENT {
			break
		}
	}
	must("mount "+words["root"], err)
	must("bring the payload", stage())
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run"} {
		must("move "+dir, unix.Mount(dir, "/sysroot"+dir, "", unix.MS_MOVE, ""))
	}
	must("enter the root", os.Chdir("/sysroot"))
	must("move the root", unix.Mount(".", "/", "", unix.MS_MOVE, ""))
	must("change the root", unix.Chroot("."))
	must("change to it", os.Chdir("/"))
	must("start systemd", unix.Exec("/usr/lib/systemd/systemd", []string{"/sbin/init"}, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}))
}
