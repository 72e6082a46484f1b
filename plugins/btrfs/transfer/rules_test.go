package transfer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// The common snapshot is found by UUID: what the copies are called, and what else has their names, does not matter.
func TestParentIsChosenByUUID(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.take("root")
	_, out := p.send(rig.Inputs{"max": 1})
	if len(out.Sent) != 1 || out.Waiting != 1 {
		t.Error(rig.Show(out))
	}
	folder := p.other.Path("to/root")
	if err := os.Rename(filepath.Join(folder, filepath.Base(out.Sent[0].Copy)), filepath.Join(folder, "another name")); err != nil {
		t.Fatal(err)
	}
	_, next := p.send(nil)
	if len(next.Sent) != 1 || next.Sent[0].Parent != out.Sent[0].UUID {
		t.Error(rig.Show(next))
	}

	// Something else that has the name of a copy is in the way, and is told of.
	p.take("root")
	q := p.next("send", p.to(nil))
	stamp := filepath.Base(p.Plan(q).Changes[0].Resource.Name)
	if err := os.Mkdir(filepath.Join(folder, stamp), 0o700); err != nil {
		t.Fatal(err)
	}
	plan := p.Plan(p.next("send", p.to(nil)))
	rig.Contains(t, rig.Told(plan.Diagnostics), "something else is called \""+stamp+"\"", "move it away")
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
}

func TestOnlyTheNewest(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.take("root")
	p.take("root")
	_, out := p.send(rig.Inputs{"what": "newest"})
	if len(out.Sent) != 1 {
		t.Error(rig.Show(out))
	}
	// The older ones are older than the newest common one: they are not sent any more.
	again := p.Plan(p.next("send", p.to(nil)))
	rig.Same(t, "changes", rig.Names(again.Changes), []string{})
}

// What the target needs stays on the source, and what it needs of the target stays there, until a newer one was verified.
func TestHoldsMoveForward(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	_, first := p.send(nil)
	p.take("root")
	p.take("root")
	prune := rig.Inputs{"last": 1, "clock": "rtc"}
	plan, _ := p.Run(p.next("prune", prune))
	if got := rig.Names(plan.Changes); len(got) != 1 || strings.Contains(got[0], first.Sent[0].Snapshot) {
		t.Errorf("pruned: %q, but %s is needed", got, first.Sent[0].Snapshot)
	}

	p.take("root")
	// In a preview, pruning after sending sees where the hold will be.
	sending := p.next("send", p.to(nil))
	sent := p.Plan(sending)
	after := p.Plan(p.next("prune", prune, sent.Changes...))
	rig.Same(t, "changes of a preview", rig.Names(after.Changes), []string{"delete " + first.Sent[0].Snapshot})
	targetAfter := p.Plan(p.next("prune", rig.Inputs{"filesystem": p.other.Mount, "snapshots": "to", "last": 1, "clock": "rtc"}, sent.Changes...))
	rig.Same(t, "changes of a preview on the target", rig.Names(targetAfter.Changes), []string{"delete " + first.Sent[0].Copy})

	if result := p.Apply(sending, sent); sdk.HasErrors(result.Diagnostics) || len(result.Done) != len(sent.Changes) {
		t.Fatalf("%s: made %v of %s", rig.Told(result.Diagnostics), result.Done, rig.Show(sent.Changes))
	}
	plan, _ = p.Run(p.next("prune", prune))
	rig.Same(t, "changes of the run", rig.Names(plan.Changes), rig.Names(after.Changes))
	plan, _ = p.Run(p.next("prune", rig.Inputs{"filesystem": p.other.Mount, "snapshots": "to", "last": 1, "clock": "rtc"}))
	rig.Same(t, "changes of the run on the target", rig.Names(plan.Changes), rig.Names(targetAfter.Changes))
	p.take("root")
	_, out := p.send(rig.Inputs{"verify": "content"})
	if len(out.Sent) != 1 || out.Sent[0].Parent == "" {
		t.Error(rig.Show(out))
	}
}

func TestHoldForATime(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	in := rig.Inputs{"hold_for": "30d"}
	_, out := p.send(in)
	data, err := os.ReadFile(p.FS.Path(".coppice/holds/" + out.Sent[0].UUID))
	if err != nil || !strings.Contains(string(data), p.Instants[p.run].Add(30*24*time.Hour).Format("2006-01-02")) {
		t.Errorf("%v: %s", err, data)
	}
	again := p.Plan(p.next("send", p.to(in)))
	rig.Same(t, "changes of a second run", rig.Names(again.Changes), []string{})
	later := p.next("send", p.to(in))
	later.Instant = later.Instant.Add(20 * 24 * time.Hour)
	if plan := p.Plan(later); len(plan.Changes) != 1 {
		t.Errorf("in the second half of its time the hold is made anew: %s", rig.Show(plan.Changes))
	}
}

func TestTargetIsAbsent(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.send(nil)
	p.take("root")
	before := p.Exec("ls", "-la", "--time-style=full-iso", p.FS.Path(".coppice/holds"))
	for _, to := range []string{p.other.Path("gone"), "file:" + p.other.Path("gone"), "ssh://nobody.invalid/backup"} {
		p.Refuses(p.next("send", p.to(rig.Inputs{"to": to})), "/to", "the target is not there")
		plan, out := p.send(rig.Inputs{"to": to, "on_absent": "skip"})
		if out.Present || len(out.Sent) > 0 {
			t.Error(rig.Show(out))
		}
		rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "the target is not there", "stays held")
	}
	if after := p.Exec("ls", "-la", "--time-style=full-iso", p.FS.Path(".coppice/holds")); after != before {
		t.Errorf("holds:\n%s\nbefore\n%s", after, before)
	}
}

func TestTargetHasForgotten(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.send(nil)
	p.Exec("sh", "-c", "btrfs subvolume delete "+p.other.Path("to/root")+"/*")
	p.take("root")
	plan := p.Plan(p.next("send", p.to(nil)))
	rig.Contains(t, rig.Told(plan.Diagnostics), "was sent to this target before", "full: allow")
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
	p.send(rig.Inputs{"full": "allow"})
	p.sameContents()
}

func TestWrongTargets(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.Create("sealed")
	p.Exec("btrfs", "property", "set", "-ts", p.FS.Path("sealed"), "ro", "true")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string][]string{
		"backup":                    {"\"backup\" is no target", "write /FOLDER"},
		"file:backup":               {"is no target"},
		p.FS.Path("root"):           {"a copy there is no backup", "mounted there?"},
		"file:" + p.FS.Path("root"): {"a copy there is no backup"},
		"/proc":                     {"another kind of filesystem"},
		p.other.Mount:               {"is the top level itself"},
		"file:" + file:              {"is not a folder"},
		"ssh:///folder":             {"the host is not a name"},
		"ssh://host":                {"the folder is missing"},
		"ssh://-oProxyCommand=x/f":  {"is no target"},
		"ssh://me:secret@host/f":    {"a password can't be given"},
		"ssh://host:99999/f":        {"the port is not a number"},
		"ssh://us%20er@host/f":      {"the user is not a name"},
		"ssh://host/f?x":            {"write ? and #"},
	} {
		p.Refuses(p.next("send", p.to(rig.Inputs{"to": to})), append(want, "/to")...)
	}
	p.Refuses(p.next("send", p.to(rig.Inputs{"sources": []string{}})), "/sources", "must not be empty")
	p.Refuses(p.next("send", p.to(rig.Inputs{"snapshots": "none"})), "/snapshots", "there are no snapshots in \"none\"")
	plan := p.Plan(p.next("send", p.to(rig.Inputs{"sources": []string{"nothing"}})))
	rig.Contains(t, rig.Told(plan.Diagnostics), "/sources", "there are no snapshots of \"nothing\"")
}

// A preview sees the snapshots that an earlier step would take.
func TestPreviewAfterASnapshot(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.send(nil)
	p.run++
	run := p.run
	taking := p.Request(run, "snapshot", rig.Inputs{"sources": []string{"root"}})
	taken := p.Plan(taking)
	preview := p.Plan(p.Request(run, "send", p.to(nil), taken.Changes...))
	p.Apply(taking, taken)
	q := p.Request(run, "send", p.to(nil))
	plan := p.Plan(q)
	rig.Same(t, "changes", rig.Names(plan.Changes), rig.Names(preview.Changes))
	if string(plan.Fingerprint) != string(preview.Fingerprint) {
		t.Errorf("fingerprint %s\nof the preview %s", plan.Fingerprint, preview.Fingerprint)
	}
	p.Apply(q, plan)
	p.sameContents()
}

// Copies age by the time at which the original was taken.
func TestCopiesExpireByTheSendersTime(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	for range 4 {
		p.take("root")
	}
	p.send(nil)
	copies := rig.Inputs{"filesystem": p.other.Mount, "snapshots": "to", "within": "1h", "clock": "rtc"}
	now := p.next("prune", copies)
	if plan := p.Plan(now); len(plan.Changes) > 0 {
		t.Error(rig.Show(plan.Changes))
	}
	later := p.next("prune", copies)
	later.Instant = later.Instant.Add(time.Hour + time.Minute)
	plan := p.Plan(later)
	out := rig.Outputs[struct {
		Deleted []struct {
			Path    string
			Created time.Time
		}
		Foreign []string
	}](t, plan.Outputs)
	if len(out.Deleted) != 3 || len(out.Foreign) != 0 {
		t.Fatal(rig.Show(out), rig.Told(plan.Diagnostics))
	}
	for _, d := range out.Deleted {
		if got := d.Created.UTC().Format("20060102T150405.000Z"); got != filepath.Base(d.Path) {
			t.Errorf("%s was taken %s", d.Path, got)
		}
	}
	result := p.Apply(later, plan)
	if sdk.HasErrors(result.Diagnostics) {
		t.Error(rig.Told(result.Diagnostics))
	}
	if left := contents(t, p.other, "to"); len(left) != 1 {
		t.Errorf("%v", left)
	}
	// What was expired on the target is not sent again.
	again := p.Plan(p.next("send", p.to(nil)))
	rig.Same(t, "changes", rig.Names(again.Changes), []string{})
}

// A chain of files does not grow for ever.
func TestFullEvery(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	dir := t.TempDir()
	in := rig.Inputs{"to": "file:" + dir, "full_every": 3}
	var full []bool
	for range 4 {
		p.take("root")
		p.take("root")
		_, out := p.send(in)
		for _, s := range out.Sent {
			full = append(full, s.Parent == "")
		}
	}
	rig.Same(t, "which are full", full, []bool{true, false, false, true, false, false, true, false})
	// What is before the last full one is not needed any more.
	entries, err := os.ReadDir(filepath.Join(dir, "root"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries[:12] {
		if err := os.Remove(filepath.Join(dir, "root", e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	plan, _ := p.Run(p.next("receive", rig.Inputs{"filesystem": p.other.Mount, "from": dir, "into": "to"}))
	if len(plan.Changes) != 2 {
		t.Error(rig.Show(plan.Changes))
	}
	again := p.Plan(p.next("send", p.to(in)))
	rig.Same(t, "changes of a second run", rig.Names(again.Changes), []string{})
}

// Copies can be sent on: they are the same snapshots.
func TestCopiesAreSentOn(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.take("root")
	p.send(nil)
	files := t.TempDir()
	on := rig.Inputs{"filesystem": p.other.Mount, "snapshots": "to", "to": "file:" + files}
	_, out := p.send(on)
	if len(out.Sent) != 2 {
		t.Error(rig.Show(out))
	}
	p.take("root")
	p.send(nil)
	if _, out = p.send(on); len(out.Sent) != 1 {
		t.Error(rig.Show(out))
	}
	// And back where they are from: those that are still there are known.
	plan := p.Plan(p.next("receive", rig.Inputs{"from": files, "into": "snapshots"}))
	if len(plan.Changes) == 0 {
		t.Log("known by their UUIDs")
	}
}

// Names that shells, URLs and terminals have ideas about.
func TestHostileNames(t *testing.T) {
	p := newPair(t)
	names := []string{"a b", "new\nline", "$(touch pwned)", "'; touch pwned; '", "-rf", "%41", "\u00fcml\u00e4ut", "back\\slash"}
	p.Create(names...)
	p.take(names...)
	hostile := "to '$(touch pwned)\n%20 #?"
	if err := os.Mkdir(p.other.Path(hostile), 0o700); err != nil {
		t.Fatal(err)
	}
	_, out := p.send(rig.Inputs{"to": p.other.Path(hostile), "verify": "content"})
	if len(out.Sent) != len(names) {
		t.Error(rig.Show(out))
	}
	rig.Same(t, "contents", contents(t, p.other, hostile), contents(t, p.FS, "snapshots"))

	s := newSSH(t, p.other.Mount)
	if err := os.Mkdir(p.other.Path("ssh "+hostile), 0o700); err != nil {
		t.Fatal(err)
	}
	escaped := strings.NewReplacer("%", "%25", " ", "%20", "\n", "%0A", "#", "%23", "?", "%3F").Replace(p.other.Path("ssh " + hostile))
	_, out = p.send(rig.Inputs{"to": "ssh://root@backup.example" + escaped, "ssh_config": s.config, "verify": "content", "name": "ssh"})
	if len(out.Sent) != len(names) {
		t.Error(rig.Show(out))
	}
	rig.Same(t, "contents", contents(t, p.other, "ssh "+hostile), contents(t, p.FS, "snapshots"))
	files := filepath.Join(t.TempDir(), hostile)
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	p.send(rig.Inputs{"to": "file:" + files, "name": "files"})
	p.Run(p.next("receive", rig.Inputs{"filesystem": p.other.Mount, "from": files, "into": "from files"}))
	rig.Same(t, "contents", contents(t, p.other, "from files"), contents(t, p.FS, "snapshots"))
	for _, dir := range []string{p.other.Mount, p.FS.Mount, "/", "/root", "/tmp", "."} {
		if _, err := os.Lstat(filepath.Join(dir, "pwned")); err == nil {
			t.Errorf("a shell has run a part of a name, in %s", dir)
		}
	}
}

// The machine that keeps the copies allows one folder.
func TestFolderOfTheServer(t *testing.T) {
	p := newPair(t)
	if err := os.Mkdir(p.other.Path("allowed"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := newSSH(t, p.other.Path("allowed"))
	p.Create("root")
	p.take("root")
	link := p.other.Path("allowed/link")
	if err := os.Symlink(p.other.Path("to"), link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{p.other.Path("to"), link, p.other.Path("allowed/../to")} {
		p.Refuses(p.next("send", p.to(rig.Inputs{"to": "ssh://backup.example" + path, "ssh_config": s.config})), "only targets in")
	}
	p.send(rig.Inputs{"to": "ssh://backup.example" + p.other.Path("allowed"), "ssh_config": s.config})
}

// Two filesystems with sources of the same name do not share a folder unknowingly: the copies of one would expire for those of
// the other.
func TestFolderOfAnother(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.send(nil)
	second := &pair{Rig: rig.New(t, loopfs.Options{}, actions), other: p.other, run: 50}
	second.Create("root")
	second.take("root")
	plan := second.Plan(second.next("send", second.to(nil)))
	rig.Same(t, "changes", rig.Names(plan.Changes), []string{})
	rig.Contains(t, rig.Told(plan.Diagnostics), "copies of \"root\" of another filesystem", "full: allow")
	rig.Same(t, "sources", rig.Outputs[SendOutput](t, plan.Outputs).Sources, []string{}) // whose copies a next step may expire
	second.send(rig.Inputs{"full": "allow"})
	second.take("root")
	if _, out := second.send(nil); len(out.Sent) != 1 {
		t.Errorf("after that: %+v", out)
	}
	// Neither expires the other's copies.
	for _, each := range []*pair{p, second} {
		plan := each.Plan(each.next("send", each.to(nil)))
		rig.Same(t, "sources", rig.Outputs[SendOutput](t, plan.Outputs).Sources, []string{})
		rig.Contains(t, rig.Told(plan.Diagnostics), "warning", "no copies of that source are expired", "unpin --who sender:")
	}
}
