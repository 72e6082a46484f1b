// Demo runs the main job for real: the shipped snapshot-rotation playbook on a
// throw-away btrfs with the server layout and five weeks of history. It leaves
// nothing behind. `make demo` calls it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

const size = 1 << 30 // of the sparse image

// inside tells the child that it runs in a mount namespace of its own.
const inside = "COPPICE_DEMO_INSIDE"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo COPPICE")
		os.Exit(64)
	}
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := demo(ctx, os.Args[1])
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: stopped; nothing is left behind")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// again runs the demo in a mount namespace of its own, with a file system in
// memory over /mnt: however it ends, all that it has made goes with it.
func again() int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM) // the child stops; we wait for it
	c := exec.Command("/proc/self/exe", os.Args[1])
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is about the thread that forks
	if err := c.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "demo: a mount namespace is needed, which takes root:", err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = c.Process.Signal(s)
		}
	}()
	if err := c.Wait(); err != nil {
		return max(c.ProcessState.ExitCode(), 1)
	}
	return 0
}

// isolate makes the mounts of this namespace its own, with an empty /mnt and an empty /run, where
// coppice locks.
func isolate() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot leave the machine's mounts: %w", err)
	}
	for _, dir := range []string{"/mnt", "/run"} {
		if err := syscall.Mount("demo", dir, "tmpfs", 0, "mode=0700"); err != nil {
			return fmt.Errorf("cannot mount a file system in memory: %w", err)
		}
	}
	return nil
}

func demo(ctx context.Context, coppice string) (err error) {
	begin := time.Now()
	say("A throw-away btrfs with the layout of a server, and five weeks of snapshots taken every six hours.")
	if err := isolate(); err != nil {
		return err
	}
	fs, err := loopfs.New(loopfs.Options{Size: size, Dir: "/mnt"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fs.Close()) }()
	if err := history.Create(ctx, fs, history.Layout); err != nil {
		return err
	}
	critical := []string{"root", "persist", "services", "caddy"}
	instants := history.Every(6*time.Hour, 35*4, time.Now())
	if err := history.Take(ctx, fs, critical, instants); err != nil {
		return err
	}
	// Something has changed since the last snapshot.
	if err := os.WriteFile(fs.Path("persist", "orders.db"), []byte("the only copy of somebody's data\n"), 0o600); err != nil {
		return err
	}
	if err := count(fs, "before"); err != nil {
		return err
	}

	flags := []string{"snapshot-rotation", "-i", "filesystem=" + fs.Mount, "-i", "clock=rtc", "-i", "retention=34d"}
	say("What would the playbook do to it?")
	if err := show(ctx, coppice, append([]string{"plan"}, flags...)); err != nil {
		return err
	}
	say("Do it.")
	if err := show(ctx, coppice, append([]string{"run"}, flags...)); err != nil {
		return err
	}
	say("What btrfs itself says now.")
	if err := count(fs, "after"); err != nil {
		return err
	}
	say(fmt.Sprintf("Done in %.1f s. The filesystem is gone again.", time.Since(begin).Seconds()))
	return nil
}

// show runs coppice in front of everybody.
func show(ctx context.Context, coppice string, args []string) error {
	fmt.Printf("$ coppice %s\n", strings.Join(args, " "))
	c := exec.CommandContext(ctx, coppice, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.Env = append(os.Environ(), "COPPICE_STATE_DIR=/mnt/state:/mnt/state") // the demo is no run of this machine
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	return c.Run()
}

// count prints how many snapshots `btrfs subvolume list` sees.
func count(fs *loopfs.Filesystem, when string) error {
	out, err := exec.Command("btrfs", "subvolume", "list", "-s", fs.Mount).Output()
	if err != nil {
		return fmt.Errorf("btrfs subvolume list: %w", err)
	}
	fmt.Printf("$ btrfs subvolume list -s %s | wc -l    # %s\n%d\n", fs.Mount, when, strings.Count(string(out), "\n"))
	return nil
}

func say(text string) {
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Printf("\n%s\n\n", text)
}
