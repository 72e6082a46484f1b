package plugintest

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// mostLines is how many lines a case may write to standard error: it is a few dozen calls.
const mostLines = 1000

// leftovers ends the plugin and looks for what it has left, and how much it has written since there were that many lines.
func (t *trial) leftovers(lines int) {
	if t.launcher == nil {
		return
	}
	t.session.end()
	t.session = nil
	problem := ""
	var left []survivor
	for range 250 { // what was killed takes its time to go: five seconds at most
		if left = t.launcher.survivors(); len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	var names []string
	for _, s := range left {
		names = append(names, fmt.Sprintf("process %d (%s)", s.pid, shorten(s.line, 100)))
		_ = syscall.Kill(s.pid, syscall.SIGKILL)
	}
	if len(left) > 0 {
		problem = "after its end there still runs: " + strings.Join(names, ", ")
	}
	t.find(children, problem)
	_, _, now := t.said.said()
	problem = ""
	if now-lines > mostLines {
		problem = fmt.Sprintf("%d lines", now-lines)
	}
	t.find(stderr, problem)
	if err := t.restart(); err != nil {
		t.find(theCase, "it does not start again: "+err.Error())
	}
}
