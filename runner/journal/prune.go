package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
)

// Prune deletes records of runs that are over: those that are both older than keepAge and not among the newest keepCount
// of all. Never deleted are the records of running runs, the last of each playbook, the last of each playbook that
// succeeded, what was begun within the last hour, records of later versions, and files that are no records. It returns
// the ids of the runs whose records are gone; errors do not stop it.
func Prune(dirs []string, keepAge time.Duration, keepCount int, now time.Time) (pruned []string, err error) {
	if old, err := mayPrune(dirs, keepAge, keepCount, now); !old {
		return nil, err
	}
	all, err := List(dirs)
	if err != nil {
		return nil, err
	}
	const young = time.Hour
	seen, succeeded := map[string]bool{}, map[string]bool{}
	kept := 0
	touched := map[string]bool{}
	for _, s := range all.Runs { // newest first
		if s.Status == Unknown {
			continue
		}
		kept++
		keep := !s.Ended() || kept <= keepCount || now.Sub(s.Instant) <= max(keepAge, young)
		if s.Playbook != "" {
			keep = keep || !seen[s.Playbook] || s.Status == engine.Succeeded && !succeeded[s.Playbook]
			seen[s.Playbook] = true
			succeeded[s.Playbook] = succeeded[s.Playbook] || s.Status == engine.Succeeded
		}
		if keep {
			continue
		}
		gone, failure := remove(s.Path)
		if failure != nil {
			err = errors.Join(err, fmt.Errorf("cannot delete the record of run %s: %w", s.Run, failure))
		}
		if gone {
			pruned = append(pruned, s.Run)
			touched[filepath.Dir(s.Path)] = true
		}
	}
	for dir := range touched {
		err = errors.Join(err, syncDir(dir))
	}
	return pruned, err
}

// mayPrune looks from outside whether there can be anything to delete: most runs find nothing.
func mayPrune(dirs []string, keepAge time.Duration, keepCount int, now time.Time) (bool, error) {
	count, old := 0, false
	for _, dir := range dirs {
		names, err := namesIn(dir)
		if err != nil {
			return false, err
		}
		for _, name := range names {
			if !strings.HasSuffix(name, suffix) {
				continue
			}
			count++
			if !old {
				info, err := os.Lstat(filepath.Join(runsIn(dir), name))
				old = err == nil && now.Sub(info.ModTime()) > keepAge
			}
		}
	}
	return count > keepCount && old, nil
}

// remove deletes the record at path, unless somebody holds it.
func remove(path string) (bool, error) {
	f, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false, nil
	}
	at, err := os.Lstat(path)
	if err != nil {
		return false, err
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(at, opened) {
		return false, err
	}
	return true, os.Remove(path)
}
