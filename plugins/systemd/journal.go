package systemd

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// shownLines is how many lines of a failed unit are logged.
const shownLines = "10"

// lastLines logs the last lines in the journal of what a unit has last done. They are for people, and decide nothing: where
// there is no journalctl, there are none.
func lastLines(ctx context.Context, c *sdk.Call, u *Unit) {
	program, err := exec.LookPath("journalctl")
	if err != nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	_ = exec.CommandContext(ctx, program, "--sync").Run() // what is on its way; without, it may be a line less
	args := []string{"--no-pager", "--quiet", "--output=cat", "--lines=" + shownLines}
	if u.Invocation != "" { // what the unit has written, and what systemd has written about it
		args = append(args, "_SYSTEMD_INVOCATION_ID="+u.Invocation, "+", "INVOCATION_ID="+u.Invocation)
	} else {
		args = append(args, "--boot", "--unit="+u.ID)
	}
	out, _ := exec.CommandContext(ctx, program, args...).Output()
	for line := range strings.Lines(string(out)) {
		c.Logf("error", "%s: %s", u.ID, strings.TrimRight(line, "\n"))
	}
}
