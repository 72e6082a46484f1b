package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/sdk"
)

func metricsAction(h host) sdk.Action {
	return sdk.Write(sdk.Info{
		Name:    "metrics",
		Summary: "Write metrics for Prometheus",
		Description: "Writes a file for the textfile collector of node_exporter: coppice_PLAYBOOK_….prom, one for each set of labels. With failed it tells of the run " +
			"itself (coppice_run_failed, coppice_run_start_timestamp_seconds, coppice_run_end_timestamp_seconds, coppice_run_duration_seconds, " +
			"coppice_run_success_timestamp_seconds, which a failure leaves as it was, coppice_run_expected_seconds), with values of what it has found.\n\n" +
			"The file is replaced as a whole, by one rename: nobody ever reads half of it.",
		Touches: []string{metricsType},
	}, sdk.Writer[MetricsInput, MetricsOutput, sdk.None]{
		Plan: func(_ context.Context, c *sdk.Call, in MetricsInput) (sdk.Planned[MetricsOutput, sdk.None], error) {
			return planMetrics(in, observeMetrics(string(in.Folder), fileName(in.Labels)), c.Instant)
		},
		Apply: func(ctx context.Context, c *sdk.Call, in MetricsInput, _ sdk.None) (MetricsOutput, error) {
			name := fileName(in.Labels)
			changed, err := applyMetrics(ctx, h, c, in, name)
			switch {
			case ctx.Err() != nil && errors.Is(err, ctx.Err()):
				return MetricsOutput{}, err
			case err != nil:
				out := MetricsOutput{Problem: fmt.Sprintf("cannot write metrics into %s: %v", in.Folder, err)}
				return out, undelivered(c, in.Required, "/folder", out.Problem)
			case changed:
				c.Done(0)
			}
			return MetricsOutput{File: filepath.Join(string(in.Folder), name)}, nil
		},
	})
}

// patience is how long is waited for another run that writes into the folder: for a moment only.
const patience = 5 * time.Second

// applyMetrics replaces the file. changed is false when this run has written it already.
func applyMetrics(ctx context.Context, h host, c *sdk.Call, in MetricsInput, name string) (changed bool, err error) {
	dir, err := openFolder(string(in.Folder))
	if err != nil {
		return false, err
	}
	defer dir.Close()
	if err := lockFolder(ctx, dir); err != nil {
		return false, err
	}
	before := observeFile(dir, name)
	all := metricsOf(in, before, c.Instant, h.now())
	if in.Failed != nil && appliedAlready(all, before.values) {
		return false, nil
	}
	data, err := encode(all, in.Labels)
	if err != nil || bytes.Equal(data, before.data) {
		return false, err
	}
	return true, replaceFile(dir, name, data)
}

// appliedAlready reports whether the file tells of this very run, and of nothing else.
func appliedAlready(all, before map[string]float64) bool {
	now, then := maps.Clone(all), maps.Clone(before)
	for _, name := range []string{runEnd, runDuration, runSuccess} {
		delete(now, name)
		delete(then, name)
	}
	return maps.Equal(now, then)
}

// lockFolder keeps other runs out of the folder until it is closed.
func lockFolder(ctx context.Context, dir *os.File) error {
	for begin := time.Now(); ; {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Since(begin) > patience {
			return errors.New("another process keeps the folder locked")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// replaceFile puts a file into the place of another one, or of nothing, in one step that is on the disk when it returns. Somebody else may
// be able to write into the folder: what stands in the way is never followed.
func replaceFile(dir *os.File, name string, data []byte) (err error) {
	fd, temp := int(dir.Fd()), "."+name+".tmp" // collectors read *.prom
	if err := unix.Unlinkat(fd, temp, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err // one that a power cut has left, or nothing
	}
	created, err := unix.Openat(fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(created), temp)
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = unix.Unlinkat(fd, temp, 0)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := unix.Renameat(fd, temp, fd, name); err != nil {
		return err
	}
	return dir.Sync()
}
