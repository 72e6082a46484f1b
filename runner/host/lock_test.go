package host

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

func TestLock(t *testing.T) {
	t.Setenv("FLOCKS", t.TempDir())
	dir := t.TempDir()
	locked := func() *Host {
		h, _ := newHost(t, "good")
		h.options.LockDir = dir + "/locks"
		return h
	}
	ctx := context.Background()
	first, second := locked(), locked()
	lock := sdk.Lock{Key: "fs:a b", Title: "names of A"}
	who := Holder{PID: 42, Run: "r1", Playbook: "rotation", Since: time.Now()}
	release, err := first.Lock(ctx, "good", lock, who, false)
	if err != nil {
		t.Fatal(err)
	}
	busy := func(h *Host, want string) {
		t.Helper()
		_, err := h.Lock(ctx, "good", lock, Holder{PID: 43, Run: "r2"}, false)
		var e *sdk.Error
		if !errors.As(err, &e) || e.Reason != sdk.Busy || !strings.Contains(e.Summary, want) {
			t.Errorf("error: %v", err)
		}
	}
	busy(second, "names of A: in use by run r1 of rotation (process 42, since ")
	other, err := second.Lock(ctx, "good", sdk.Lock{Key: "fs:c"}, who, false)
	if err != nil {
		t.Errorf("another lock: %v", err)
	} else {
		other()
	}

	// Somebody who does not see this machine's folder: the plugin's own lock holds.
	elsewhere, _ := newHost(t, "good")
	busy(elsewhere, "fs:a b is locked elsewhere")

	// The plugin dies: its process's lock goes with it, and the next process takes it
	// again before it does anything.
	if _, err := plan(first, "good", "crash", ""); err == nil {
		t.Error("it did not crash")
	}
	if _, err := plan(first, "good", "echo", ""); err != nil {
		t.Error(err)
	}
	busy(elsewhere, "fs:a b is locked elsewhere")

	// Who waits gets it.
	got := make(chan error, 1)
	go func() {
		release, err := second.Lock(ctx, "good", lock, Holder{PID: 43, Run: "r2"}, true)
		if err == nil {
			release()
		}
		got <- err
	}()
	time.Sleep(50 * time.Millisecond)
	release()
	select {
	case err := <-got:
		if err != nil {
			t.Errorf("after waiting: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("still waiting")
	}
	if data, err := os.ReadFile(dir + "/locks/fs:a%20b"); err != nil || len(data) > 0 {
		t.Errorf("the file of a free lock names %q, %v", data, err)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	t.Setenv("FLOCKS", t.TempDir())
	first, _ := newHost(t, "good")
	second, _ := newHost(t, "good")
	lock := sdk.Lock{Key: "x"}
	if _, err := first.Lock(context.Background(), "good", lock, Holder{}, false); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	if _, err := second.Lock(ctx, "good", lock, Holder{}, true); err == nil {
		t.Error("the lock was given away twice")
	}
}
