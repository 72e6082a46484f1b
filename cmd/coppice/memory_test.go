package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
)

// big is a run of many things, and how it is started.
type big struct {
	dir, playbook string
	peak          int // MiB, of the runner
	events        int // lines of its standard output
	record        *journal.Record
}

// bigRun runs the steps and reads its standard output: all of it, or one line, and hangs up.
func bigRun(t *testing.T, steps string, hangUp bool, flags ...string) big {
	t.Helper()
	b := big{dir: t.TempDir()}
	b.playbook = filepath.Join(b.dir, "big.yaml")
	if err := os.WriteFile(b.playbook, []byte("version: 1\nname: big\nsteps:\n"+steps), 0o600); err != nil {
		t.Fatal(err)
	}
	peakFile := filepath.Join(b.dir, "peak")
	c := &exec.Cmd{Path: plain, Args: append([]string{"coppice", "run", b.playbook}, flags...),
		Env: append(os.Environ(), "COPPICE_STATE_DIR="+b.dir, schemasVariable+"=", troubleEnv+"=1", peakEnv+"="+peakFile), Stderr: io.Discard}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		if _, err := lines.ReadSlice('\n'); err != nil {
			break
		}
		if b.events++; hangUp {
			out.Close()
			break
		}
	}
	if err := c.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	data, err := os.ReadFile(peakFile)
	if err != nil {
		t.Fatal(err)
	}
	kB, _ := strconv.Atoi(string(data))
	b.peak = kB >> 10
	records, _ := filepath.Glob(filepath.Join(b.dir, "runs", "*"))
	if len(records) != 1 {
		t.Fatalf("records: %q", records)
	}
	if b.record, err = journal.Read([]string{b.dir}, strings.TrimSuffix(filepath.Base(records[0]), ".jsonl")); err != nil {
		t.Fatal(err)
	}
	if b.record.Status != engine.Succeeded || len(b.record.Problems) > 0 {
		t.Errorf("the record: %s %q", b.record.Status, b.record.Problems)
	}
	return b
}

// The runner's memory does not grow with the lines that a plugin logs, and with the
// steps of a run only by the result of each; and a reader that goes away after the first
// line does not keep a run from its end. The bounds are some 1.5 times what was needed.
func TestMemoryStaysFlat(t *testing.T) {
	chat := func(lines int, level string) string {
		return fmt.Sprintf("  - {id: chat, uses: trouble.chat, with: {lines: %d, level: %s}}\n", lines, level)
	}
	const many, whole = 100_000, 2000 // lines; steps, as many as a playbook can have
	var steps strings.Builder
	for i := range whole {
		fmt.Fprintf(&steps, "  - {id: s%d, for_each: 1..5, uses: trouble.nothing}\n", i)
	}
	items := fmt.Sprintf("  - {id: many, for_each: 1..%d, uses: trouble.nothing}\n", whole*5)
	small := bigRun(t, chat(1, "info"), false)
	t.Logf("small: %d MiB", small.peak)
	for _, c := range []struct {
		name   string
		steps  string
		hangUp bool
		flags  []string
		more   int // MiB
		ended  int // steps
	}{
		{"lines to a pipe", chat(many, "info"), false, nil, 25, 1},
		{"warnings as JSON", chat(many, "warn"), false, []string{"--json"}, 25, 1},
		{"items as JSON", items, false, []string{"--json"}, 40, whole * 5},
		{"items to a pipe that is closed after a line", items, true, []string{"--verbose"}, 40, whole * 5},
		{"steps of 5 items to a pipe", steps.String(), false, nil, 75, whole * 5}, // most of it the playbook
	} {
		b := bigRun(t, c.steps, c.hangUp, c.flags...)
		ended := 0
		for _, s := range b.record.Steps {
			if s.Result != nil && !s.Result.Status.Bad() {
				ended++
			}
		}
		t.Logf("%s: %d MiB, %d lines read, %d steps ended", c.name, b.peak, b.events, ended)
		if ended != c.ended {
			t.Errorf("%s: %d steps have ended, want %d", c.name, ended, c.ended)
		}
		if b.peak > small.peak+c.more {
			t.Errorf("%s: %d MiB, and %d MiB for a small run", c.name, b.peak, small.peak)
		}
	}
}
