package systemd

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// early is how long before the time at which a unit has begun its first line can be in the journal: the manager takes that time
// after it has started the unit's process.
const early = 500 * time.Millisecond

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
	_ = exec.CommandContext(ctx, program, "--sync").Run()
	// By its name and the time: of lines of a process that is gone at once, the journal does not know the invocation.
	args := []string{"--no-pager", "--quiet", "--output=cat", "--lines=" + shownLines, "--unit=" + u.ID}
	if u.Began > early.Microseconds() {
		since := u.Began - early.Microseconds()
		args = append(args, fmt.Sprintf("--since=@%d.%06d", since/1_000_000, since%1_000_000))
	} else {
		args = append(args, "--boot")
	}
	// Not even a synchronised journal has what is still on its way to it: twice the same is believed.
	var out, before []byte
	for i := 0; i < 10 && (i < 2 || !bytes.Equal(out, before)); i++ {
		if i > 0 {
			time.Sleep(poll)
		}
		before = out
		out, _ = exec.CommandContext(ctx, program, args...).Output()
	}
	for line := range strings.Lines(string(out)) {
		c.Logf("error", "%s: %s", u.ID, strings.TrimRight(line, "\n"))
	}
}
