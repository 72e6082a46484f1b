package layout

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
	"github.com/hbohlen/coppice/sdk"
)

// randomSteps are calls of actions on a few names, so that they often meet.
func randomSteps(rnd *rand.Rand, n int) []sdk.Request {
	names := []string{"a", "b", "with space"}
	path := func() string {
		p := names[rnd.IntN(len(names))]
		for rnd.IntN(3) == 0 {
			p += "/" + append(names, "dir")[rnd.IntN(len(names)+1)]
		}
		return p
	}
	pick := func(all ...any) any { return all[rnd.IntN(len(all))] }
	calls := []func() (string, rig.Inputs){
		func() (string, rig.Inputs) { return "create", rig.Inputs{"subvolume": path()} },
		func() (string, rig.Inputs) { return "create", rig.Inputs{"subvolume": path()} },
		func() (string, rig.Inputs) { return "rename", rig.Inputs{"subvolume": path(), "to": path()} },
		func() (string, rig.Inputs) { return "rename", rig.Inputs{"subvolume": path(), "to": path()} },
		func() (string, rig.Inputs) { return "set_default", rig.Inputs{"subvolume": pick(path(), ".")} },
		func() (string, rig.Inputs) {
			return "property", rig.Inputs{"path": pick(path(), path(), "."), "compression": pick("zstd", "none", "default")}
		},
		func() (string, rig.Inputs) {
			return "property", rig.Inputs{"path": path(), "no_cow": pick(true, false)}
		},
		func() (string, rig.Inputs) {
			return "property", rig.Inputs{"path": path(), "read_only": pick(true, false)}
		},
		func() (string, rig.Inputs) { return "delete_tree", trees(rnd.IntN(2) == 0, path()) },
		func() (string, rig.Inputs) {
			return "limit", rig.Inputs{"subvolume": path(), "max_referenced": pick(0, 1<<20, 2<<20)}
		},
		func() (string, rig.Inputs) {
			return "layout", entries(rig.Inputs{"path": path(), "no_cow": pick(true, false), "max_exclusive": pick(0, 1<<20)},
				rig.Inputs{"path": path() + "/x", "compression": pick("zstd", "default")})
		},
		func() (string, rig.Inputs) { return "quota", rig.Inputs{"mode": pick("off", "classic", "classic")} },
		func() (string, rig.Inputs) {
			return "snapshot", rig.Inputs{"sources": []string{path()}, "into": pick("s1", "s2"), "read_only": false}
		},
	}
	var all []sdk.Request
	for range n {
		action, in := calls[rnd.IntN(len(calls))]()
		all = append(all, sdk.Request{Action: action, Inputs: []byte(rig.Show(in))})
	}
	return all
}

var identity = regexp.MustCompile(`,"default_uuid":"[^"]*"`)

// decided is what a plan comes to, as a preview and a run must agree about it: without the identity of what the run itself makes.
func decided(p *sdk.Plan, err error) string {
	if err != nil {
		return "refused: " + rig.Told(sdk.Diagnose(err))
	}
	var b strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s %q: %s", c.Kind, c.Resource.Type, c.Resource.Name, c.Summary)
		if c.Kind == sdk.Update { // of what is deleted the times and UUIDs are known
			fmt.Fprintf(&b, " %s → %s", identity.ReplaceAll(c.Before, nil), identity.ReplaceAll(c.After, nil))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s\nfacts: %s", rig.Told(p.Diagnostics), p.Fingerprint)
	return b.String()
}

// What a preview of a row of steps says is what a run of them does, and the facts of a saved plan still hold.
func TestPreviewEqualsRun(t *testing.T) {
	// Some, and those that have found something once.
	for _, seed := range [][2]uint64{{1, 1}, {2, 1}, {3, 1}, {0, 0}, {1, 0}, {31, 0}, {36, 0}, {36, 7}, {86, 7}, {91, 7}} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed[0], seed[1]))
			r := newRig(t, loopfs.Options{})
			r.Create("a", "a/b", "b")
			r.Exec("mkdir", r.FS.Path("a/dir"), r.FS.Path("b/dir"))
			r.Write("a/dir/with space", "data")
			r.Btrfs("property", "set", r.FS.Path("a"), "compression", "lzo")
			steps := randomSteps(rnd, 40)
			for i := range steps {
				q := r.Request(1, steps[i].Action, nil)
				q.Inputs = slices.Concat([]byte(fmt.Sprintf(`{"filesystem":%q,`, r.FS.Mount)), steps[i].Inputs[1:])
				steps[i] = q
			}
			var prior []sdk.Change
			var preview []string
			for _, q := range steps {
				q.Prior = prior
				p, err := r.Plugin.Plan(context.Background(), q)
				preview = append(preview, decided(p, err))
				if err == nil {
					prior = append(prior, p.Changes...)
				}
			}
			for i, q := range steps {
				p, err := r.Plugin.Plan(context.Background(), q)
				if run := decided(p, err); run != preview[i] {
					t.Fatalf("step %d, %s %s\nis in the run\n%s\nand in the preview\n%s\nbefore it: %s", i, q.Action, q.Inputs, run, preview[i], strings.Join(preview[:i], "\n-- "))
				}
				if err != nil {
					continue
				}
				result := r.Apply(q, p)
				if sdk.HasErrors(result.Diagnostics) || len(result.Done) != len(p.Changes) {
					t.Fatalf("step %d, %s %s: %v of %s: %s", i, q.Action, q.Inputs, result.Done, rig.Show(p.Changes), rig.Told(result.Diagnostics))
				}
			}
		})
	}
}
