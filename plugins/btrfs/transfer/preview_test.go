package transfer

import (
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// steps previews the steps of one playbook, each after those before it, and runs them; both have to say the same.
func (p *pair) steps(all ...func(run int, prior []sdk.Change) sdk.Request) []*sdk.Plan {
	p.T.Helper()
	p.run++
	var previews []*sdk.Plan
	var prior []sdk.Change
	for _, step := range all {
		preview := p.Plan(step(p.run, prior))
		previews = append(previews, preview)
		prior = append(prior, preview.Changes...)
	}
	for i, step := range all {
		q := step(p.run, nil)
		plan := p.Plan(q)
		says := func(changes []sdk.Change) (told []string) {
			for _, c := range changes {
				told = append(told, string(c.Kind)+" "+c.Resource.Name+": "+c.Summary)
			}
			return told
		}
		rig.Same(p.T, "changes of step "+q.Action, says(plan.Changes), says(previews[i].Changes))
		if string(plan.Fingerprint) != string(previews[i].Fingerprint) {
			p.T.Errorf("step %d: fingerprint %s\nof the preview %s", i, plan.Fingerprint, previews[i].Fingerprint)
		}
		if result := p.Apply(q, plan); sdk.HasErrors(result.Diagnostics) || len(result.Done) != len(plan.Changes) {
			p.T.Fatalf("%s: made %v of %s", rig.Told(result.Diagnostics), result.Done, rig.Show(plan.Changes))
		}
	}
	return previews
}

// step is one step of such a playbook.
func (p *pair) step(action string, in rig.Inputs) func(int, []sdk.Change) sdk.Request {
	if action == "send" {
		in = p.to(in)
	}
	return func(run int, prior []sdk.Change) sdk.Request { return p.Request(run, action, in, prior...) }
}

// What an earlier step of the same playbook sends, a later one need not send again: not in the preview either.
func TestTwoSendsToOneTarget(t *testing.T) {
	for _, kind := range []string{"btrfs", "files", "ssh"} {
		t.Run(kind, func(t *testing.T) {
			p := newPair(t)
			p.Create("root", "home")
			to := rig.Inputs{"to": p.other.Path("to")}
			switch kind {
			case "files":
				to = rig.Inputs{"to": "file:" + t.TempDir(), "full_every": 3}
			case "ssh":
				to = rig.Inputs{"to": "ssh://backup.example" + p.other.Path("to"), "ssh_config": newSSH(t, p.other.Mount).config}
			}
			with := func(more rig.Inputs) rig.Inputs {
				all := rig.Inputs{}
				for _, in := range []rig.Inputs{to, more} {
					for k, v := range in {
						all[k] = v
					}
				}
				return all
			}
			p.take("root", "home")
			p.take("root")
			p.take("root", "home")
			// The target is new, the snapshots are there.
			got := p.steps(
				p.step("send", with(rig.Inputs{"sources": []string{"root"}, "max": 1})),
				p.step("send", with(rig.Inputs{"sources": []string{"root"}, "max": 1})),
				p.step("send", to), p.step("send", to))
			if n := len(got[2].Changes); n == 0 || len(got[3].Changes) > 0 {
				t.Errorf("%d changes, then %s", n, rig.Show(got[3].Changes))
			}
			// An earlier step takes them.
			got = p.steps(p.step("snapshot", rig.Inputs{"sources": []string{"root", "home"}}),
				p.step("send", to), p.step("send", to), p.step("send", with(rig.Inputs{"name": "another"})))
			if len(got[2].Changes) > 0 || len(got[3].Changes) != 2 {
				t.Errorf("%s then %s", rig.Show(got[2].Changes), rig.Show(got[3].Changes))
			}
			if kind == "files" {
				back := rig.Inputs{"filesystem": p.other.Mount, "from": strings.TrimPrefix(to["to"].(string), "file:"), "into": "to"}
				got = p.steps(p.step("receive", back), p.step("receive", back))
				if len(got[0].Changes) == 0 || len(got[1].Changes) > 0 {
					t.Errorf("%s then %s", rig.Show(got[0].Changes), rig.Show(got[1].Changes))
				}
			}
			p.sameNewest()
		})
	}
}

// sameNewest expects the copies that there are to be the snapshots.
func (p *pair) sameNewest() {
	p.T.Helper()
	have := contents(p.T, p.FS, "snapshots")
	copies := contents(p.T, p.other, "to")
	if len(copies) == 0 {
		p.T.Error("there are no copies")
	}
	for path, d := range copies {
		if have[path] != d {
			p.T.Errorf("%q is not the same", path)
		}
	}
}

// Expiring, removing remnants and pins between two transfers.
func TestSendAfterOtherSteps(t *testing.T) {
	p := newPair(t)
	p.Create("root")
	p.take("root")
	p.take("root")
	p.send(nil)
	p.take("root")
	p.remnant("to/root", tempPrefix+"20261024T060000.000Z-X")
	prune := rig.Inputs{"filesystem": p.other.Mount, "snapshots": "to", "last": 1, "clock": "rtc"}
	got := p.steps(p.step("send", nil), p.step("prune", prune), p.step("prune", rig.Inputs{"last": 1, "clock": "rtc"}), p.step("send", nil),
		p.step("unpin", rig.Inputs{"subvolumes": []string{p.newest("root")}, "who": "backup:test"}), p.step("send", nil))
	if len(got[0].Changes) != 4 || len(got[1].Changes) != 1 || len(got[2].Changes) != 1 || len(got[3].Changes) != 0 || len(got[4].Changes) != 1 || len(got[5].Changes) != 1 {
		t.Error(rig.Show(got))
	}
	p.sameNewest()
	rig.Same(t, "leftovers", leftovers(t, p.other), []string{})
}
