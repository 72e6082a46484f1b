package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/sandbox"
	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/ages"
	"github.com/hbohlen/coppice/plugins/btrfs/replica"
)

// shellName is what the stage enters the sandbox with for a shell, instead of the name of a plugin.
const shellName = "--"

// after is what happens when the rehearsal is over: a shell, and the images are kept.
func (p *performance) after(o *rehearsal) error {
	layouts, _, err := p.set.Look(p.session.last)
	if err != nil {
		return exit(exitFailed, err)
	}
	if len(p.setting.clock) > 0 {
		// Whoever looks at the images with other programs sees the times that the clock has shown.
		if err := p.set.Hide(p.tree); err != nil {
			return exit(exitFailed, err)
		}
		for i, c := range p.set.Copies {
			if err := sandbox.SetTimes(p.session.last, c, times(layouts[i], p.setting.clock)); err != nil {
				return exit(exitFailed, fmt.Errorf("cannot set the times of the copy: %w", err))
			}
		}
		if err := p.set.Show(p.tree, mountOptions); err != nil {
			return exit(exitFailed, err)
		}
	}
	if o.shell {
		if err := p.shell(p.session.last); err != nil {
			return err
		}
	}
	if !o.keep {
		return nil
	}
	if err := p.set.Hide(p.tree); err != nil {
		return exit(exitFailed, err)
	}
	for i, c := range p.set.Copies {
		file := filepath.Join(imageFolder(), fmt.Sprintf("coppice-rehearsal-%s-%d.img", time.Now().UTC().Format("20060102T150405Z"), i))
		if err := c.Image.Keep(file); err != nil {
			return exit(exitFailed, err)
		}
		fmt.Fprintf(p.err, "The copy of %s is kept as %s.\n", p.setting.names[i], file)
	}
	return nil
}

// times are those that a clock has shown, of all subvolumes.
func times(l replica.Filesystem, clock kernel.Clock) map[kernel.UUID]ages.Facts {
	all := map[kernel.UUID]ages.Facts{}
	for _, s := range l.Subvolumes {
		if id, err := kernel.ParseUUID(string(s.UUID)); err == nil {
			all[id] = ages.Facts{Created: clock.Shown(s.Created)}
		}
	}
	return all
}

// shell opens one in the sandbox, and waits for its end.
func (p *performance) shell(context.Context) error {
	fmt.Fprintf(p.err, "A shell in the sandbox; the copies are below %s. It is gone when you leave.\n", sandbox.Extra)
	c := exec.Command("/proc/self/exe")
	c.Args = []string{"coppice", "enter", "--", shellName}
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), "PS1=rehearsal# ")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is about the thread that forks
	defer runtime.UnlockOSThread()
	var exited *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exited) {
		return exit(exitFailed, fmt.Errorf("cannot open a shell in the sandbox: %w", err))
	}
	return nil // how the last command in it ended is nobody's business
}
