package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// item is a line of rsync --itemize-changes, see its manual page: what is done, and to what, from the target on. In names, what is no
// letter is escaped: a line is an item.
type item struct {
	Flags string `json:"flags"` // ">f+++++++++", "*deleting"
	Name  string `json:"name"`
}

func (i item) kind() sdk.Kind {
	switch {
	case strings.HasPrefix(i.Flags, "*deleting"):
		return sdk.Delete
	case strings.Contains(i.Flags, "+++"):
		return sdk.Create
	}
	return sdk.Update
}

// flagsLong is how long the flags are, with the space behind them.
const flagsLong = 12

func parse(line string) (item, bool) {
	if len(line) <= flagsLong {
		return item{}, false
	}
	return item{strings.TrimSpace(line[:flagsLong]), line[flagsLong:]}, true
}

// differences asks rsync what it would do.
func differences(ctx context.Context, in MirrorInput) ([]item, error) {
	var all []item
	err := run(ctx, in, true, func(i item) { all = append(all, i) })
	return all, err
}

// run runs rsync, and tells each item.
func run(ctx context.Context, in MirrorInput, dry bool, tell func(item)) error {
	args := []string{"--archive", "--out-format=%i %n"}
	if dry {
		args = append(args, "--dry-run")
	}
	if in.Delete {
		args = append(args, "--delete")
	}
	cmd := exec.CommandContext(ctx, "rsync", append(args, "--", strings.TrimRight(string(in.Source), "/")+"/", string(in.Target))...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // rsync removes what it has half written
	cmd.WaitDelay = 5 * time.Second
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return &sdk.Error{Summary: "rsync is not installed"}
	}
	if err != nil {
		return fmt.Errorf("cannot run rsync: %w", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if i, ok := parse(lines.Text()); ok {
			tell(i)
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		text, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return fmt.Errorf("cannot mirror %s: %s: %w", in.Source, text, err)
	}
	return nil
}
