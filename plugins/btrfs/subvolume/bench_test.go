package subvolume

import (
	"context"
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// many makes n snapshots in groups of that many sources, each group of a run of its own, and returns their paths, the
// oldest first.
func (r *testRig) many(n, sources int) (paths []string) {
	r.T.Helper()
	f, err := kernel.Open(context.Background(), r.FS.Mount)
	if err != nil {
		r.T.Fatal(err)
	}
	defer f.Close()
	if _, err := makeCatalogue(f); err != nil {
		r.T.Fatal(err)
	}
	for i := range sources {
		r.Create(fmt.Sprint("source", i))
		if _, err := f.MkdirAll(fmt.Sprint("snapshots/source", i), 0o700); err != nil {
			r.T.Fatal(err)
		}
	}
	first := time.Now().Add(-time.Duration(n) * time.Second)
	for i := 0; i < n; i += sources {
		stamp := StampOf(first.Add(time.Duration(i) * time.Second))
		rec := record{Run: stamp, Stamp: stamp}
		for j := range sources {
			source := fmt.Sprint("source", j)
			s, err := f.Snapshot(kernel.SnapshotSpec{SourcePath: source, DestDir: "snapshots/" + source, Name: stamp, ReadOnly: true})
			if err != nil {
				r.T.Fatal(err)
			}
			rec.Members = append(rec.Members, member{Path: s.Path, Source: source, SourceUUID: s.ParentUUID, UUID: s.UUID})
			paths = append(paths, s.Path)
		}
		r.Write(path.Join(recordsFolder, recordName(stamp, stamp)), string(encodeRecord(rec)))
	}
	r.Exec("sync", "-f", r.FS.Mount)
	return paths
}

// BenchmarkExpire deletes 500 of 1,000 snapshots. What btrfs-progs needs for the same is the measure: its call ends
// before the deletions are on disk, so that the second figure has a sync.
func BenchmarkExpire(b *testing.B) {
	for _, sources := range []int{1, 4} {
		b.Run(fmt.Sprint("sources=", sources), func(b *testing.B) { expire(b, sources) })
	}
}

func expire(b *testing.B, sources int) {
	const all, old = 1000, 500
	var locks, plan, apply, call, sync time.Duration
	since := func(sum *time.Duration, do func()) {
		start := time.Now()
		do()
		*sum += time.Since(start)
	}
	for range b.N {
		r := newRig(b, loopfs.Options{Size: 1 << 30})
		r.many(all, sources)
		q := r.Request(1, "prune", rig.Inputs{"last": (all - old) / sources})
		var p *sdk.Plan
		since(&locks, func() { _, _ = r.Plugin.Resolve(context.Background(), q) })
		since(&plan, func() { p = r.Plan(q) })
		if len(p.Changes) != old {
			b.Fatalf("%d changes: %s", len(p.Changes), rig.Told(p.Diagnostics))
		}
		since(&apply, func() { r.Apply(q, p) })
		if left := len(r.all()); left != sources+all-old {
			b.Fatalf("%d are left", left)
		}

		other := newRig(b, loopfs.Options{Size: 1 << 30})
		args := []string{"subvolume", "delete"}
		for _, p := range other.many(all, sources)[:old] {
			args = append(args, other.FS.Path(p))
		}
		since(&call, func() { other.Btrfs(args...) })
		since(&sync, func() { other.Btrfs("filesystem", "sync", other.FS.Mount) })
	}
	report := func(d time.Duration, unit string) { b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), unit) }
	b.ReportMetric(0, "ns/op")
	report(locks, "locks-ms")
	report(plan, "plan-ms")
	report(apply, "apply-ms")
	report(call, "progs-ms")
	report(sync, "progs-sync-ms")
}
