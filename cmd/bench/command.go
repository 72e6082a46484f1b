package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// spent is what one run of something took.
type spent struct {
	wall   time.Duration
	system time.Duration // in the kernel; only where this process does the work
	freed  time.Duration // from its end until the space was free; 0 if not measured
}

// run executes a program to its end, with its output in a file. It is an error if the program fails; then its output is
// part of it.
func (b *bench) run(ctx context.Context, program string, args ...string) (spent, error) {
	out, err := os.Create(filepath.Join(b.dir, "output"))
	if err != nil {
		return spent{}, err
	}
	defer out.Close()
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout, c.Stderr = out, out
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 30 * time.Second
	c.Env = append(os.Environ(), "COPPICE_CONFIG_DIR=/etc/coppice", "LC_ALL=C")
	if b.account != nil {
		c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(b.account.dir.Fd())}
	}
	begin := time.Now()
	err = c.Run()
	s := spent{wall: time.Since(begin)}
	if err != nil {
		said, _ := os.ReadFile(out.Name())
		return s, fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args[:min(len(args), 4)], " "), err, tail(said))
	}
	return s, nil
}

// shell runs a script with bash, which stops at the first command that fails.
func (b *bench) shell(ctx context.Context, script string, args ...string) (spent, error) {
	return b.run(ctx, "bash", append([]string{"-ec", script, "bash"}, args...)...)
}

// play runs a playbook.
func (b *bench) play(ctx context.Context, playbook string, w *world, inputs ...string) (spent, error) {
	args := []string{"run", playbook, "-i", "filesystem=" + w.fs.Mount}
	for _, input := range inputs {
		args = append(args, "-i", input)
	}
	return b.run(ctx, b.coppice, args...)
}

// writePlaybook writes one into the directory of the bench and returns its path.
func (b *bench) writePlaybook(name, steps string) (string, error) {
	path := filepath.Join(b.dir, name+".yaml")
	text := "version: 1\nname: " + name + "\ninputs:\n  filesystem: {type: filesystem}\n" + steps
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// tail is the end of a long text.
func tail(text []byte) []byte {
	const most = 2000
	if len(text) > most {
		return text[len(text)-most:]
	}
	return text
}
