package transfer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

// filesystem is the UUID of the one with the snapshots.
func (p *pair) filesystem() string {
	p.T.Helper()
	k, err := kernel.Open(p.T.Context(), p.FS.Mount)
	if err != nil {
		p.T.Fatal(err)
	}
	defer k.Close()
	return k.UUID().String()
}

// Two filesystems that send into one folder of files do not get into each other's way.
func TestFilesOfTwoFilesystems(t *testing.T) {
	p := newPair(t)
	q := &pair{Rig: rig.New(t, loopfs.Options{}, actions), other: p.other, run: 50}
	dir := t.TempDir()
	to := rig.Inputs{"to": "file:" + dir}
	for _, each := range []*pair{p, q} {
		each.Create("root")
		each.take("root")
	}
	p.send(to)
	plan := q.Plan(q.next("send", q.to(to)))
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
	rig.Contains(t, rig.Told(plan.Diagnostics), "copies of \"root\" of another filesystem, "+p.filesystem(), "full: allow")

	q.send(rig.Inputs{"to": to["to"], "full": "allow"})
	for range 2 {
		for _, each := range []*pair{p, q} {
			each.take("root")
			if _, out := each.send(to); len(out.Sent) != 1 || out.Sent[0].Parent == "" {
				t.Errorf("not as changes: %s", rig.Show(out))
			}
		}
	}

	// What the other one may be writing at this moment is left alone.
	const stamp = "20261024T060000.000Z"
	nobodys, whole := filepath.Join(dir, "root", stamp+partialSuffix), filepath.Join(dir, "root", stamp+streamSuffix)
	others := filepath.Join(dir, "root", stamp+"."+p.filesystem()+partialSuffix)
	for _, path := range []string{nobodys, whole, others} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rig.Same(t, "changes", rig.Names(q.Plan(q.next("send", q.to(to))).Changes), []string{})
	rig.Same(t, "changes", rig.Names(p.Plan(p.next("send", p.to(to))).Changes), []string{"run " + others})

	// The newest of one is not the newest of the other.
	back := rig.Inputs{"filesystem": p.other.Mount, "from": dir, "into": "to"}
	plan = p.Plan(p.next("receive", back))
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
	rig.Contains(t, rig.Told(plan.Diagnostics), "/sender", "sent from 2 filesystems", p.filesystem(), q.filesystem())
	back["sender"] = kernel.UUID{1}.String()
	rig.Contains(t, rig.Told(p.Plan(p.next("receive", back)).Diagnostics), "there are no files of \"root\" that were sent from")
	back["sender"] = "me"
	p.Refuses(p.next("receive", back), "/sender", "is no UUID")
	back["sender"] = p.filesystem()
	p.Run(p.next("receive", back))
	p.sameContents()
	back["sender"], back["into"] = q.filesystem(), "q"
	p.Run(p.next("receive", back))
	rig.Same(t, "contents", contents(t, p.other, "q"), contents(t, q.FS, "snapshots"))
}

// Descriptions of before they named the filesystem are as good as others.
func TestDescriptionsWithoutFilesystem(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.take("root")
	dir := t.TempDir()
	to := rig.Inputs{"to": "file:" + dir}
	p.send(to)
	all, err := filepath.Glob(filepath.Join(dir, "root", "*"+manifestSuffix))
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for _, path := range all {
		data, err := os.ReadFile(path)
		var m map[string]any
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil || m["filesystem"] != p.filesystem() {
			t.Fatal(err, m)
		}
		delete(m, "filesystem")
		if data, err = json.Marshal(m); err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// Another filesystem takes them for nobody's that it knows.
	q := &pair{Rig: rig.New(t, loopfs.Options{}, actions), other: p.other, run: 50}
	q.Create("root")
	q.take("root")
	plan := q.Plan(q.next("send", q.to(to)))
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
	rig.Contains(t, rig.Told(plan.Diagnostics), "has copies of \"root\", but of no snapshot that is still here", "full: allow")

	p.take("root")
	if _, out := p.send(to); len(out.Sent) != 1 || out.Sent[0].Parent == "" {
		t.Error(rig.Show(out))
	}
	q.send(rig.Inputs{"to": to["to"], "full": "allow"})
	// They are what the later ones of the same filesystem are changes to, so they are its own.
	p.Run(p.next("receive", rig.Inputs{"filesystem": p.other.Mount, "from": dir, "into": "to", "sender": p.filesystem()}))
	p.sameContents()
}

func TestPartialNames(t *testing.T) {
	const stamp = "20261024T060000.000Z"
	id := kernel.UUID{1, 2, 3}
	for _, sender := range []kernel.UUID{{}, id} {
		if got, ok := parsePartial(partialName(stamp, sender)); !ok || got != sender {
			t.Errorf("%v: %v %v", sender, got, ok)
		}
	}
	for _, name := range []string{"", partialSuffix, stamp, stamp + streamSuffix, "x" + partialSuffix, "x." + id.String() + partialSuffix,
		stamp + "." + strings.ToUpper(id.String())[:35] + partialSuffix, "." + id.String() + partialSuffix} {
		if _, ok := parsePartial(name); ok {
			t.Errorf("%q is taken for one", name)
		}
	}
}
