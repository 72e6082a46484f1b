package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/protocol"
)

// Holder is who has a lock. It stands in the lock's file, for others to read.
type Holder struct {
	PID      int       `json:"pid"`
	Run      string    `json:"run"`
	Playbook string    `json:"playbook"`
	Since    time.Time `json:"since"`
}

// poll is how often a lock that somebody else has is tried again.
const poll = 200 * time.Millisecond

// Lock takes a lock for a run: first in the folder for locks of this machine,
// where the holder is named, then by the plugin itself, which excludes others
// that do not see that folder. When somebody else has it the error is a
// *sdk.Error with the reason Busy that names the holder; with wait it is tried
// until ctx ends. When the plugin dies, the process that follows it takes the
// lock again.
func (h *Host) Lock(ctx context.Context, plugin string, lock sdk.Lock, who Holder, wait bool) (release func(), err error) {
	for {
		release, err := h.tryLock(ctx, plugin, lock, who)
		var busy *sdk.Error
		if err == nil || !wait || !errors.As(err, &busy) || busy.Reason != sdk.Busy {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(poll):
		}
	}
}

func (h *Host) tryLock(ctx context.Context, plugin string, lock sdk.Lock, who Holder) (release func(), err error) {
	file, err := h.lockFile(lock, who)
	if err != nil {
		return nil, err
	}
	letGo := func() {
		if file != nil {
			_ = file.Truncate(0) // nobody has it now
			file.Close()
		}
	}
	keys := []string{lock.Key}
	p, err := h.get(ctx, plugin)
	if err == nil {
		err = p.classify(ctx, p.client.Lock(ctx, keys))
	}
	if err != nil {
		letGo()
		var refusal *protocol.DomainError
		if errors.As(err, &refusal) && refusal.Diagnostics[0].Reason == sdk.Busy {
			d := refusal.Diagnostics[0]
			return nil, &sdk.Error{Reason: sdk.Busy, Summary: d.Summary, Advice: d.Advice}
		}
		return nil, err
	}
	h.mu.Lock()
	h.locks[lock.Key] = plugin
	h.mu.Unlock()
	return func() {
		h.mu.Lock()
		delete(h.locks, lock.Key)
		p := h.running[plugin]
		h.mu.Unlock()
		if p != nil && p.alive() {
			ctx, stop := context.WithTimeout(context.Background(), time.Second)
			defer stop()
			_ = p.client.Unlock(ctx, keys) // the end of the process does it too
		}
		letGo()
	}, nil
}

// lockFile takes the lock of this machine. The file is nil where there is no
// folder for locks.
func (h *Host) lockFile(l sdk.Lock, who Holder) (*os.File, error) {
	if h.options.LockDir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(h.options.LockDir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the folder for locks: %w", err)
	}
	path := filepath.Join(h.options.LockDir, lockName(l.Key))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open a lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		return nil, &sdk.Error{Reason: sdk.Busy, Summary: l.Title + ": in use by " + readHolder(path),
			Advice: "wait for it to end, or run with --wait"}
	}
	data, err := json.Marshal(who)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(data, '\n'), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot write %s: %w", path, err)
	}
	return f, nil
}

// readHolder names who has a lock, as far as its file tells.
func readHolder(path string) string {
	data, err := os.ReadFile(path)
	var who Holder
	if err != nil || json.Unmarshal(data, &who) != nil || who.PID == 0 {
		return "another run"
	}
	return fmt.Sprintf("run %s of %s (process %d, since %s)", who.Run, who.Playbook, who.PID, who.Since.Local().Format("15:04:05"))
}

// lockName makes a file's name of a key.
func lockName(key string) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == ':':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}
