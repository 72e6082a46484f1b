package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hbohlen/coppice/cmd/coppice/install/unitfile"
	"github.com/hbohlen/coppice/plugins/btrfs/upkeep"
	"github.com/hbohlen/coppice/plugins/btrfs/volume"
	"github.com/hbohlen/coppice/runner/calendar"
	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/journal"
	"github.com/hbohlen/coppice/runner/report/picture"
	"github.com/hbohlen/coppice/sdk"
)

// history looks at the machine, as status does, and at what the records of runs tell. days 0: as far back as anything is known.
func (a *app) history(s *session, filesystem string, days int, now time.Time) (*picture.Report, error) {
	h, err := a.gather(s, filesystem, now)
	if err != nil {
		return nil, err
	}
	r := &picture.Report{At: h.At, Attention: []picture.Concern{}, Playbooks: []picture.Playbook{}, Filesystems: []picture.Filesystem{}}
	r.Host, _ = os.Hostname()
	for _, c := range worries(h) {
		r.Attention = append(r.Attention, picture.Concern(c))
	}
	for _, p := range h.Playbooks {
		one := playbookOf(r, p.Name)
		one.Installed, one.Calendar = true, p.Calendar
		if p.Timer != "inactive" && p.Timer != "failed" {
			one.Next = p.Next.UTC()
		}
	}
	for _, f := range h.Filesystems {
		r.Filesystems = append(r.Filesystems, f.history(h.At))
	}
	if err := a.remember(r, days); err != nil {
		return nil, err
	}
	for _, p := range h.Playbooks {
		one := playbookOf(r, p.Name)
		one.From, one.Missed = missed(p, *one, now)
	}
	return r, nil
}

// history is what can be seen of a filesystem now.
func (f filesystemHealth) history(now time.Time) picture.Filesystem {
	p := picture.Filesystem{Filesystem: f.Filesystem, UUID: f.UUID, Problem: f.Problem, Measured: []picture.Space{}, Held: f.Held, Sources: []picture.Source{}}
	if f.usage.UUID != "" {
		space := spaceOf(f.usage, now, "")
		p.Now = &space
	}
	for _, n := range f.found {
		of := sourceOf(&p, n.Source)
		of.Existing = append(of.Existing, picture.Snapshot{Path: n.Path, Taken: n.Created, Foreign: !n.Managed})
	}
	for i := range p.Sources {
		slices.Reverse(p.Sources[i].Existing)
	}
	return p
}

func spaceOf(u upkeep.UsageOutput, at time.Time, run string) picture.Space {
	return picture.Space{At: at.UTC(), Run: run, Size: int64(u.Size), Used: int64(u.Used), Unallocated: int64(u.Unallocated), Free: int64(u.Free), FreeRatio: u.FreeRatio}
}

// sourceOf finds a source, or makes it, in the order of their names.
func sourceOf(f *picture.Filesystem, name string) *picture.Source {
	i := 0
	for i < len(f.Sources) && f.Sources[i].Source < name {
		i++
	}
	if i == len(f.Sources) || f.Sources[i].Source != name {
		f.Sources = slices.Insert(f.Sources, i, picture.Source{Source: name, Existing: []picture.Snapshot{}, Deleted: []picture.Snapshot{}})
	}
	return &f.Sources[i]
}

// playbookOf finds a playbook, or makes it, in the order of their names.
func playbookOf(r *picture.Report, name string) *picture.Playbook {
	i := 0
	for i < len(r.Playbooks) && r.Playbooks[i].Name < name {
		i++
	}
	if i == len(r.Playbooks) || r.Playbooks[i].Name != name {
		r.Playbooks = slices.Insert(r.Playbooks, i, picture.Playbook{Name: name, Runs: []picture.Run{}, Missed: []time.Time{}})
	}
	return &r.Playbooks[i]
}

// remember reads the records of runs.
func (a *app) remember(r *picture.Report, days int) error {
	state, all, err := allRuns("")
	if err != nil {
		return err
	}
	defer state.Close()
	// One that goes on from another has the other's instant.
	slices.SortStableFunc(all.Runs, func(a, b journal.Summary) int { return a.Began().Compare(b.Began()) })
	r.Since = picture.FirstDay(r.At.In(time.Local), max(days, 1)).UTC()
	if days == 0 {
		r.Since = picture.FirstDay(firstOf(r, all.Runs).In(time.Local), 1).UTC()
	}
	for _, summary := range all.Runs {
		if summary.Began().Before(r.Since) {
			continue
		}
		record, err := journal.ReadFile(summary.Path)
		if err != nil { // deleted meanwhile, for one
			fmt.Fprintf(a.err, "coppice: %s is left out: %s\n", diagnostic.Escape(state.Shown(summary.Path)), diagnostic.Escape(state.Shown(err.Error())))
			continue
		}
		addRun(r, summary, record)
	}
	return nil
}

// firstOf is when the oldest thing happened that is known of.
func firstOf(r *picture.Report, runs []journal.Summary) time.Time {
	first := r.At
	for _, run := range runs {
		if at := run.Began(); !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	for _, f := range r.Filesystems {
		for _, s := range f.Sources {
			if len(s.Existing) > 0 && s.Existing[0].Taken.Before(first) {
				first = s.Existing[0].Taken
			}
		}
	}
	return first
}

// addRun takes in what the record of a run tells.
func addRun(r *picture.Report, summary journal.Summary, record *journal.Record) {
	started := summary.Began()
	if summary.Playbook != "" {
		p := playbookOf(r, summary.Playbook)
		p.Runs = append(p.Runs, picture.Run{Run: summary.Run, Started: started.UTC(), Took: summary.Took, Outcome: outcomeOf(record), Reason: summary.Reason, Changes: record.Changes})
	}
	for _, step := range record.Steps {
		if at := step.Started; step.Step.Uses == "btrfs.usage" && step.Result != nil && step.Result.Outputs != nil && !step.Masked && !at.IsZero() {
			var usage upkeep.UsageOutput
			if err := json.Unmarshal(step.Result.Outputs, &usage); err != nil || usage.Size <= 0 {
				continue // of another coppice
			}
			for i := range r.Filesystems {
				if f := &r.Filesystems[i]; f.UUID != "" && f.UUID == string(usage.UUID) {
					f.Measured = sorted(f.Measured, spaceOf(usage, at, summary.Run), func(s picture.Space) time.Time { return s.At })
				}
			}
		}
		for _, c := range step.Made {
			addDeleted(r, c, started)
		}
	}
}

// addDeleted takes in a snapshot that a run has deleted.
func addDeleted(r *picture.Report, c sdk.Change, at time.Time) {
	if c.Kind != sdk.Delete || c.Resource.Type != volume.ResourceType {
		return
	}
	var before struct {
		Source  string    `json:"source"`
		Created time.Time `json:"created"`
	}
	if json.Unmarshal(c.Before, &before) != nil || before.Source == "" || before.Created.IsZero() {
		return
	}
	for i := range r.Filesystems {
		if f := &r.Filesystems[i]; f.UUID == c.Resource.Scope {
			s := sourceOf(f, before.Source)
			s.Deleted = sorted(s.Deleted, picture.Snapshot{Path: c.Resource.Name, Taken: before.Created.UTC(), Deleted: at.UTC()}, func(s picture.Snapshot) time.Time { return s.Taken })
		}
	}
}

// sorted puts one where it belongs by its time: mostly at the end.
func sorted[T any](all []T, one T, at func(T) time.Time) []T {
	i := len(all)
	for i > 0 && at(all[i-1]).After(at(one)) {
		i--
	}
	return slices.Insert(all, i, one)
}

// outcomeOf is what came of a run.
func outcomeOf(r *journal.Record) picture.Outcome {
	switch r.Status {
	case engine.RunFailed:
		return picture.Failed
	case engine.RunTimedOut:
		return picture.TimedOut
	case engine.RunCancelled:
		return picture.Cancelled
	case journal.Running:
		return picture.Running
	case journal.Interrupted:
		return picture.Interrupted
	case engine.Succeeded:
		switch {
		case r.Finished != nil && r.Finished.Steps[engine.Rescued] > 0:
			return picture.Rescued
		case r.Changes.Any():
			return picture.Changed
		}
		return picture.Unchanged
	}
	return picture.Unknown
}

// mostMissed bounds how many times of a timer are looked at: one that runs each minute has more in a month.
const mostMissed = 50_000

// missed is when a playbook's timer would have started it and no run began before the next time, and from when on that can be
// known: since its timer is what it is, and since there are records.
func missed(p playbookHealth, past picture.Playbook, now time.Time) (from time.Time, all []time.Time) {
	all = []time.Time{}
	if p.Timer != "active" && p.Timer != "unknown" || len(past.Runs) == 0 {
		return from, all
	}
	c, err := calendar.Parse(p.Calendar, time.Local)
	info, statErr := os.Stat(filepath.Join(unitfile.Folder, timerOf(p.Name)))
	if err != nil || statErr != nil {
		return from, all
	}
	from = past.Runs[0].Started
	if at := info.ModTime(); at.After(from) {
		from = at
	}
	return from.UTC(), unmet(c, past.Runs, from, now, p.within+late)
}

// unmet are the times of a calendar at which a run should have begun and none did before the next time, so much time ago that it is not on
// its way any more. The runs are in the order in which they began.
func unmet(c *calendar.Calendar, runs []picture.Run, from, now time.Time, slack time.Duration) []time.Time {
	all := []time.Time{}
	slot, ok := c.Next(from)
	for range mostMissed {
		if !ok || slot.Add(slack).After(now) {
			break
		}
		next, more := c.Next(slot)
		for len(runs) > 0 && runs[0].Started.Before(slot.Add(-time.Minute)) {
			runs = runs[1:]
		}
		if more && (len(runs) == 0 || !runs[0].Started.Before(next)) && next.Before(now) {
			all = append(all, slot.UTC())
		}
		slot, ok = next, more
	}
	return all
}
