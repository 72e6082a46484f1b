package powercut_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/powercut"
	"github.com/hbohlen/coppice/runner/rehearse"
	"github.com/hbohlen/coppice/sdk"
)

// thing is written as "name id content", with ! behind the name of a read-only one.
func thing(text string) rehearse.Thing {
	f := strings.Fields(text)
	name, readOnly := strings.CutSuffix(f[0], "!")
	return rehearse.Thing{Resource: sdk.Resource{Type: "thing", Scope: "disk", Name: name, ID: f[1]},
		Attributes: map[string]any{powercut.ReadOnly: readOnly, powercut.Content: f[2]}}
}

func things(all ...string) (out []rehearse.Thing) {
	for _, t := range all {
		out = append(out, thing(t))
	}
	return out
}

func made(step string, kind sdk.Kind, name, id string) powercut.Made {
	return powercut.Made{Step: step, Change: sdk.Change{Kind: kind, Resource: sdk.Resource{Type: "thing", Scope: "disk", Name: name, ID: id}}}
}

// rotation takes one snapshot and expires another.
func rotation() *powercut.Story {
	return &powercut.Story{
		Before: things("root 1 a", "old/x! 2 b", "old/y! 3 b"),
		After:  things("root 1 a", "old/y! 3 b", "old/T1! 4 a"),
		Then:   things("root 1 a", "old/y! 3 b", "old/T1! 4 a", "old/T2! 5 a"),
		Made:   []powercut.Made{made("take", sdk.Create, "old/T1", ""), made("expire", sdk.Delete, "old/x", "2")},
		Stamps: []string{"T1", "T2"},
	}
}

func rules(found []powercut.Violation) string {
	all := map[string]bool{}
	for _, v := range found {
		all[v.Rule] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " ")
}

func TestJudge(t *testing.T) {
	late := rotation()
	slices.Reverse(late.Made)
	exchange := &powercut.Story{
		Before: things("root 1 a", "from 2 b"),
		After:  things("root 3 b", "from 2 b", "archive/T1 1 a"),
		Made:   []powercut.Made{made("replace", sdk.Create, "root", ""), made("replace", sdk.Update, "archive/T1", "1")},
	}
	for _, c := range []struct {
		name  string
		story *powercut.Story
		state []rehearse.Thing
		ended string
		want  string
	}{
		{"nothing yet", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 b"), "", ""},
		{"taken", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 b", "old/T1! 4 a"), "take", ""},
		{"all", rotation(), rotation().After, "take expire", ""},
		{"a snapshot is lost", rotation(), things("root 1 a", "old/x! 2 b"), "", "kept"},
		{"its content has changed", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 c"), "", "kept"},
		{"another name", rotation(), things("root 1 a", "old/x! 2 b", "old/z! 3 b"), "", "kept"},
		{"half a snapshot", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 b", "old/T1! 4 -"), "", "whole"},
		{"not read-only yet", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 b", "old/T1 4 a"), "", "whole"},
		{"under another name it may be half made", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 b", "tmp 4 -"), "", ""},
		{"expired before taken", rotation(), things("root 1 a", "old/y! 3 b"), "", "order"},
		{"a playbook that deletes first", late, things("root 1 a", "old/y! 3 b"), "expire", "gap"},
		{"the step had ended", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 b"), "take", "durable"},
		{"the deletion had ended", rotation(), things("root 1 a", "old/x! 2 b", "old/y! 3 b", "old/T1! 4 a"), "take expire", "durable"},
		{"exchanged", exchange, exchange.After, "replace", ""},
		{"not exchanged", exchange, things("root 1 a", "from 2 b", "stage 3 -"), "", ""},
		{"between", exchange, things("from 2 b", "archive/T1 1 a", "stage 3 b"), "", "gap"},
		{"half of a root", exchange, things("root 3 -", "from 2 b", "archive/T1 1 a"), "", "whole"},
	} {
		ended := map[string]bool{}
		for _, step := range strings.Fields(c.ended) {
			ended[step] = true
		}
		if got := c.story.Judge(c.state, ended); rules(got) != c.want {
			t.Errorf("%s: found %q, expected %q: %v", c.name, rules(got), c.want, texts(got))
		}
	}
}

func TestConverged(t *testing.T) {
	for _, c := range []struct {
		name string
		end  []rehearse.Thing
		want string
	}{
		{"as without a cut", rotation().Then, ""},
		{"the first snapshot was lost, and taken again", things("root 1 a", "old/y! 3 b", "old/T2! 9 a"), ""},
		{"and one more is kept for it", things("root 1 a", "old/x! 2 b", "old/y! 3 b", "old/T2! 9 a"), ""},
		{"not expired", things("root 1 a", "old/x! 2 b", "old/y! 3 b", "old/T1! 4 a", "old/T2! 9 a"), `"old/x" is still there in the end`},
		{"not taken", things("root 1 a", "old/y! 3 b"), `"old/T1" is not there in the end|"old/T2" is not there in the end`},
		{"expired too much", things("root 1 a", "old/T2! 9 a"), `"old/y" is not there in the end`},
		{"left over", things("root 1 a", "old/y! 3 b", "old/T2! 9 a", "stage 7 a"), `"stage" is there in the end, and would not be without the cut`},
		{"another content", things("root 1 c", "old/y! 3 b", "old/T2! 9 a"), `content of "root" is c in the end, and would be a`},
		{"another name", things("boot 1 a", "old/y! 3 b", "old/T2! 9 a"), `"root" is called "boot" in the end`},
	} {
		if got := strings.Join(texts(rotation().Converged(c.end)), "|"); got != c.want {
			t.Errorf("%s: found %s, expected %s", c.name, got, c.want)
		}
	}
}

// What is one thing under a new name is at once a copy of what was there, and no second thing.
func TestInstead(t *testing.T) {
	s := &powercut.Story{Before: things("a 1 x", "b 2 y"), After: things("a 1 x", "c 3 y"),
		Made: []powercut.Made{made("del", sdk.Delete, "b", "2"), made("new", sdk.Create, "c", "")}}
	if got := s.Judge(things("a 1 x"), nil); len(got) != 0 {
		t.Errorf("nothing says that c takes the place of b: %v", texts(got))
	}
	for _, origin := range []string{`{"source":"b"}`, `{"parent_uuid":"2"}`} {
		s.Made[1].Change.After = []byte(origin)
		if got := s.Judge(things("a 1 x"), nil); rules(got) != "gap" {
			t.Errorf("%s: %v", origin, texts(got))
		}
	}
}

func texts(found []powercut.Violation) (all []string) {
	for _, v := range found {
		all = append(all, fmt.Sprint(v.Text))
	}
	return all
}
