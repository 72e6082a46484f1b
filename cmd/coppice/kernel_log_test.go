package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/engine"
)

// records collects what a kernelLog writes, one string for each time that it opens the log.
type records struct{ all []string }

type aRecord struct {
	bytes.Buffer
	to *records
}

func (r *aRecord) Close() error { r.to.all = append(r.to.all, r.String()); return nil }

func (r *records) log() *kernelLog {
	return &kernelLog{open: func() (io.WriteCloser, error) { return &aRecord{to: r}, nil }}
}

func TestKernelLog(t *testing.T) {
	r := &records{}
	log := r.log()
	for _, part := range []string{"<4>one\n<3>coppice: tw", "o\nplain\n\n", "<9>odd\n", strings.Repeat("ä", 500) + "\n", "no end"} {
		if n, err := io.WriteString(log, part); err != nil || n != len(part) {
			t.Fatal(n, err)
		}
	}
	want := []string{"<4>coppice: one\n", "<3>coppice: two\n", "<6>coppice: plain\n", "<6>coppice: \n", "<6>coppice: <9>odd\n", "<6>coppice: " + strings.Repeat("ä", 450) + "…\n"}
	if !slices.Equal(r.all, want) {
		t.Errorf("got %q", r.all)
	}
	log = &kernelLog{open: func() (io.WriteCloser, error) { return nil, os.ErrPermission }}
	if _, err := io.WriteString(log, "x\n"); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}

// TestKernelLogRun: what a run says goes there with its priority.
func TestKernelLogRun(t *testing.T) {
	r := &records{}
	a := &app{out: r.log(), err: r.log()}
	to := a.reporter(engine.ModeRun, a.reportOptions(nil))
	to.Emit(engine.RunStarted{Run: "r1", Playbook: "boot-rollback"})
	to.Emit(engine.StepLog{Plugin: "btrfs", Level: "warn", Message: "careful"})
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(a.complaints(syslogError), "coppice: it is broken\n")
	text := strings.Join(r.all, "")
	for _, want := range []string{"<5>coppice: run r1: boot-rollback: started", "<4>coppice: ", "careful", "<3>coppice: it is broken\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestIsKernelLog(t *testing.T) {
	for path, want := range map[string]bool{"/dev/null": false, "/": false, "/dev/kmsg": true} {
		f, err := os.Open(path)
		if err != nil { // a container without it
			continue
		}
		if isKernelLog(f) != want {
			t.Errorf("%s: %v", path, !want)
		}
		f.Close()
	}
}
