// Package samples has histories to draw, for tests.
package samples

import (
	"fmt"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report/picture"
)

// At is when the samples were made.
var At = time.Date(2026, 11, 26, 12, 20, 0, 0, time.UTC)

// Server is the history of a server in 30 days: four runs a day, of which some went wrong, and a filesystem that fills up.
func Server() *picture.Report {
	at := At
	r := &picture.Report{At: at, Since: picture.FirstDay(at, 30), Host: "server",
		Attention: []picture.Concern{
			{Level: "error", About: "snapshot-rotation", What: "the last run failed, 20 minutes ago: step expire: on hold", Mend: "coppice runs show 20261126T120000Z-0a1b2c"},
			{Level: "warning", About: "machine", What: "nothing is deleted: /etc/coppice/hold", Mend: "take it away when all is clear"},
		}}
	rotation := picture.Playbook{Name: "snapshot-rotation", Installed: true, Calendar: "*-*-* 00/6:00:00", Next: at.Add(5*time.Hour + 40*time.Minute), From: r.Since, Missed: []time.Time{}}
	maintenance := picture.Playbook{Name: "monthly-maintenance", Installed: true, Calendar: "*-*-* 02:30:00", Next: at.Add(14 * time.Hour), From: r.Since, Missed: []time.Time{}}
	f := picture.Filesystem{Filesystem: "/", UUID: "ce2fdb78-d394-44f4-aff0-ca36bc956f6c", Measured: []picture.Space{}, Sources: []picture.Source{}}
	const size = 4 << 40
	space := func(at time.Time, run string, i int) picture.Space {
		used := int64(size) * int64(400+i*3-i/40*70) / 1000
		return picture.Space{At: at, Run: run, Size: size, Used: used, Unallocated: size - used - 200<<30, Free: size - used - 100<<30, FreeRatio: 1 - float64(used)/size}
	}
	names := []string{"root", "persist", "services", "var/lib/a long name of a subvolume"}
	sources := make([]picture.Source, len(names))
	for i := range 30 * 4 {
		start := r.Since.Add(time.Duration(i) * 6 * time.Hour).Add(time.Duration(i*7919%300) * time.Second)
		if start.After(at) {
			break
		}
		run := picture.Run{Run: start.Format("20060102T150405Z") + fmt.Sprintf("-%06x", i*7919), Started: start, Took: time.Duration(280+i+(i*7919)%90) * time.Millisecond,
			Outcome: picture.Changed, Changes: engine.Totals{Create: 4, Delete: 4}}
		switch {
		case i >= 37 && i <= 39:
			rotation.Missed = append(rotation.Missed, start.Truncate(6*time.Hour))
			continue
		case i == 61:
			run.Outcome, run.Reason = picture.Interrupted, ""
		case i == 80 || start.Add(6*time.Hour).After(at):
			run.Outcome, run.Reason = picture.Failed, "step expire: on hold"
		case i == 90:
			run.Outcome, run.Took = picture.Rescued, 2*time.Second
		}
		rotation.Runs = append(rotation.Runs, run)
		f.Measured = append(f.Measured, space(start, run.Run, i))
		for j, name := range names {
			s := picture.Snapshot{Path: "snapshots/" + name + "/" + start.Format("20060102T150405.000Z"), Taken: start}
			if age := at.Sub(start); age > 7*24*time.Hour && i%4 != 0 || age > 20*24*time.Hour && i%28 != 0 {
				s.Deleted = start.Add(7 * 24 * time.Hour)
				sources[j].Deleted = append(sources[j].Deleted, s)
				continue
			}
			sources[j].Existing = append(sources[j].Existing, s)
		}
	}
	for i := range 30 {
		start := r.Since.Add(time.Duration(i)*24*time.Hour + 150*time.Minute)
		run := picture.Run{Run: start.Format("20060102T150405Z") + "-aaaaaa", Started: start, Took: 200 * time.Millisecond, Outcome: picture.Unchanged}
		if i == 4 {
			run.Took, run.Outcome, run.Changes = 5*time.Hour, picture.Changed, engine.Totals{Run: 2}
		}
		maintenance.Runs = append(maintenance.Runs, run)
	}
	for i, name := range names {
		sources[i].Source = name
	}
	f.Sources = sources
	now := space(at, "", 100) // less than this morning
	f.Now = &now
	r.Playbooks, r.Filesystems = []picture.Playbook{maintenance, rotation}, []picture.Filesystem{f}
	return r
}

// Hostile is the history of a machine whose names are markup, scripts and control characters, of which little is known.
func Hostile() *picture.Report {
	const evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\x1b[31m\u202e&amp;\"'"
	held := int64(5 << 20)
	return &picture.Report{At: At, Since: picture.FirstDay(At, 3), Host: evil,
		Attention: []picture.Concern{{Level: "error", About: evil, What: evil, Mend: evil}},
		Playbooks: []picture.Playbook{
			{Name: evil, Calendar: evil, Installed: true, Missed: []time.Time{At.Add(-48 * time.Hour)},
				Runs: []picture.Run{{Run: evil, Started: At.Add(-24 * time.Hour), Took: time.Second, Outcome: picture.TimedOut, Reason: evil}}},
			{Name: "never", Installed: true, Runs: []picture.Run{}, Missed: []time.Time{}},
		},
		Filesystems: []picture.Filesystem{
			{Filesystem: evil, UUID: evil, Held: &held, Now: &picture.Space{At: At, Size: 100, Used: 50, Unallocated: 40, Free: 50, FreeRatio: 0.5},
				Measured: []picture.Space{{At: At.Add(-24 * time.Hour), Run: evil, Size: 100, Used: 40, Unallocated: 40, Free: 60, FreeRatio: 0.6}},
				Sources: []picture.Source{
					{Source: "", Existing: []picture.Snapshot{{Path: evil, Taken: At.Add(-400 * 24 * time.Hour), Foreign: true}}, Deleted: []picture.Snapshot{}},
					{Source: evil, Existing: []picture.Snapshot{{Path: evil, Taken: At.Add(-time.Hour), Foreign: true}}, Deleted: []picture.Snapshot{}},
				}},
			{Filesystem: "LABEL=gone", Problem: evil, Measured: []picture.Space{}, Sources: []picture.Source{}},
		}}
}

// Empty is the history of a machine without any.
func Empty() *picture.Report {
	return &picture.Report{At: At, Since: picture.FirstDay(At, 30), Attention: []picture.Concern{}, Playbooks: []picture.Playbook{}, Filesystems: []picture.Filesystem{
		{Filesystem: "/", UUID: "ce2fdb78-d394-44f4-aff0-ca36bc956f6c", Now: &picture.Space{At: At, Size: 1 << 30, Used: 0, Unallocated: 1 << 30, Free: 1 << 30, FreeRatio: 1},
			Measured: []picture.Space{}, Sources: []picture.Source{}}}}
}

// Old is the history of many snapshots over years: each hour, each minute of the last day.
func Old() *picture.Report {
	r := Server()
	r.Since = picture.FirstDay(At, 800)
	var all []picture.Snapshot
	for at := r.Since; at.Before(At); at = at.Add(time.Hour) {
		all = append(all, picture.Snapshot{Path: "snapshots/root/" + at.Format("20060102T150405.000Z"), Taken: at})
	}
	for at := At.Add(-24 * time.Hour); at.Before(At); at = at.Add(time.Minute) {
		all = append(all, picture.Snapshot{Path: "snapshots/root/" + at.Format("20060102T150405.000Z"), Taken: at})
	}
	r.Filesystems[0].Sources[0].Existing = all
	return r
}
