package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// What the tests say to a coppice that they start, in its environment.
const (
	troubleEnv = "COPPICE_TEST_TROUBLE" // have the plugin trouble
	peakEnv    = "COPPICE_TEST_PEAK"    // write the most memory that it needed into this file
	markEnv    = "COPPICE_TEST_MARK"    // nothing: it tells whose child a process is
)

// beCoppice is the main of the program, in the test binary.
func beCoppice() int {
	debug.SetGCPercent(gcPercent) // as main does
	if os.Getenv(troubleEnv) != "" {
		builtins = append(builtins, builtin{"trouble", trouble})
	}
	if os.Getenv(brokenEnv) != "" {
		builtins, held["broken"] = append(builtins, builtin{"broken", broken}), true
	}
	code := checkedMain(os.Args)
	if file := os.Getenv(peakEnv); file != "" && len(os.Args) > 1 && os.Args[1] != "plugin" {
		_ = os.WriteFile(file, []byte(peak()), 0o600)
	}
	return code
}

// peak is the most memory that this process has had, in kB, see proc(5).
func peak() string {
	status, _ := os.ReadFile("/proc/self/status")
	return regexp.MustCompile(`VmHWM:\s*(\d+)`).FindStringSubmatch(string(status))[1]
}

type childrenIn struct {
	Wait bool `json:"wait" default:"false"` // until the action is asked to stop
}

type chatIn struct {
	Lines int    `json:"lines"`
	Level string `json:"level" default:"info"`
}

// trouble is a plugin that makes it hard for the runner.
func trouble() *sdk.Plugin {
	run := []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: "trouble", Name: "trouble"}}}
	return &sdk.Plugin{Name: "trouble", Summary: "what makes it hard for the runner", Actions: []sdk.Action{
		sdk.Read(sdk.Info{Name: "nothing", Summary: "Do nothing"},
			func(context.Context, *sdk.Call, struct{}) (p sdk.Planned[struct{}, sdk.None], err error) {
				return p, nil
			}),
		sdk.Write(sdk.Info{Name: "chat", Summary: "Write many lines"}, sdk.Writer[chatIn, struct{}, sdk.None]{
			Plan: func(context.Context, *sdk.Call, chatIn) (p sdk.Planned[struct{}, sdk.None], err error) {
				p.Changes = run
				return p, nil
			},
			Apply: func(_ context.Context, c *sdk.Call, in chatIn, _ sdk.None) (out struct{}, err error) {
				for i := range in.Lines {
					c.Logf(in.Level, "line %d of many, of the length that a line of a log has", i)
				}
				c.Done(0)
				return out, nil
			},
		}),
		sdk.Write(sdk.Info{Name: "children", Summary: "Leave processes behind"}, sdk.Writer[childrenIn, struct{}, sdk.None]{
			Plan: func(context.Context, *sdk.Call, childrenIn) (p sdk.Planned[struct{}, sdk.None], err error) {
				p.Changes = run
				return p, nil
			},
			Apply: func(ctx context.Context, c *sdk.Call, in childrenIn, _ sdk.None) (out struct{}, err error) {
				for _, command := range [][]string{{"sleep", "7654321"}, {"setsid", "sleep", "7654321"}} {
					if err := exec.Command(command[0], command[1:]...).Start(); err != nil {
						return out, err
					}
				}
				if in.Wait {
					<-ctx.Done()
				}
				c.Done(0)
				return out, ctx.Err()
			},
		}),
	}}
}

// marked are the processes that have a mark in their environment: "pid command line".
func marked(mark string) []string {
	var found []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !strings.Contains("\x00"+string(env), "\x00"+markEnv+"="+mark+"\x00") {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		found = append(found, fmt.Sprintf("%s %q", e.Name(), line))
	}
	return found
}

// vanish waits until no process with the mark is left: the kernel takes a moment for it.
func vanish(t *testing.T, mark string) {
	t.Helper()
	for range 18000 {
		if len(marked(mark)) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("left after three minutes: %s", strings.Join(marked(mark), "; "))
}
