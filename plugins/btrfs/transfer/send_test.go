package transfer

import (
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

func TestSendSnapshots(t *testing.T) {
	p := newPair(t)
	p.Create("root", "persist", "persist/nested")
	p.take("root", "persist")
	p.take("root", "persist")
	plan, out := p.send(nil)
	if len(out.Sent) != 4 || out.Sent[0].Parent != "" || out.Sent[1].Parent != out.Sent[0].UUID {
		t.Error(rig.Show(out), rig.Show(plan.Changes))
	}
	p.sameContents()

	again := p.Plan(p.next("send", p.to(nil)))
	rig.Same(t, "changes of a second run", rig.Names(again.Changes), []string{})

	p.take("root", "persist")
	p.take("root", "persist")
	p.take("root", "persist")
	_, out = p.send(rig.Inputs{"verify": "content"})
	if len(out.Sent) != 6 {
		t.Error(rig.Show(out))
	}
	p.sameContents()
	rig.Same(t, "leftovers", leftovers(t, p.other), []string{})
}

func TestSendOverSSH(t *testing.T) {
	p := newPair(t)
	s := newSSH(t, p.other.Mount)
	p.Create("root")
	p.take("root")
	p.take("root")
	to := rig.Inputs{"to": "ssh://backup.example" + p.other.Path("to"), "ssh_config": s.config, "verify": "content"}
	_, out := p.send(to)
	if len(out.Sent) != 2 || out.Filesystem != "" || out.Kind != "btrfs" {
		t.Error(rig.Show(out))
	}
	p.sameContents()
	again := p.Plan(p.next("send", p.to(to)))
	rig.Same(t, "changes of a second run", rig.Names(again.Changes), []string{})
	rig.Same(t, "leftovers", leftovers(t, p.other), []string{})
}

func TestSendToFilesAndBack(t *testing.T) {
	p := newPair(t)
	p.Create("root", "persist")
	dir := t.TempDir()
	to := rig.Inputs{"to": "file:" + dir, "verify": "content"}
	for range 3 {
		p.take("root", "persist")
		_, out := p.send(to)
		if len(out.Sent) != 2 || out.Kind != "files" {
			t.Error(rig.Show(out))
		}
	}
	again := p.Plan(p.next("send", p.to(to)))
	rig.Same(t, "changes of a second run", rig.Names(again.Changes), []string{})

	back := rig.Inputs{"filesystem": p.other.Mount, "from": dir, "into": "to"}
	plan, _ := p.Run(p.next("receive", back))
	if len(plan.Changes) != 6 {
		t.Error(rig.Show(plan.Changes))
	}
	p.sameContents()
	again = p.Plan(p.next("receive", back))
	rig.Same(t, "changes of a second run", rig.Names(again.Changes), []string{})
	rig.Same(t, "leftovers", leftovers(t, p.other), []string{})
}
