package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// TestPropertyPlanIsRun: on real filesystems in random states, with random playbooks, what
// plan prints is what run does, change for change, wherever the plan was sure; and what
// "btrfs subvolume list" prints afterwards is what the changes say. The plan itself leaves
// no trace. Where a plan can be saved the very plan is applied; else it is run, and only
// the names that tell the instant differ.
//
// COPPICE_TEST_SCENES is how many filesystems, each for six playbooks; COPPICE_TEST_SEED
// of the first.
func TestPropertyPlanIsRun(t *testing.T) {
	t.Parallel()
	scenes := number("COPPICE_TEST_SCENES", 10)
	seed := number("COPPICE_TEST_SEED", int(time.Now().UnixNano()%1_000_000))
	t.Logf("COPPICE_TEST_SEED=%d", seed)
	var all covered
	for i := range scenes {
		t.Run(fmt.Sprint(seed+i), func(t *testing.T) {
			s := newScene(t, rand.New(rand.NewPCG(uint64(seed+i), 0)))
			for range 6 {
				s.meddle()
				s.hold(&all)
				if t.Failed() {
					t.Logf("the scene:\n%s", strings.Join(s.told, "\n"))
					break
				}
			}
		})
	}
	tally.Add(t, "%d playbooks, %d of them applied from a saved plan; the plan was sure of %d of %d steps (%.0f %%), and of %d of %d changes that were made (%.0f %%)",
		all.playbooks, all.saved, all.sure, all.steps, 100*float64(all.sure)/float64(max(all.steps, 1)),
		all.known, all.made, 100*float64(all.known)/float64(max(all.made, 1)))
}

type covered struct{ playbooks, saved, sure, steps, known, made int }

// stepOf is what is read of a step, in a plan and in the events of a run.
type stepOf struct {
	Type    string    `json:"type"`
	Instant time.Time `json:"instant"`
	Step    struct {
		ID   string `json:"id"`
		Item *int   `json:"item"`
	} `json:"step"`
	Status      string `json:"status"`
	Conditional string `json:"conditional"`
	Planned     struct {
		Changes []sdk.Change `json:"changes"`
	} `json:"planned"`
	Made        []sdk.Change     `json:"made"`
	Outputs     json.RawMessage  `json:"outputs"`
	Diagnostics []sdk.Diagnostic `json:"diagnostics"`
}

func (s stepOf) key() string {
	if s.Step.Item != nil {
		return fmt.Sprintf("%s[%d]", s.Step.ID, *s.Step.Item)
	}
	return s.Step.ID
}

// stamped is text in which a run's own instant has no value.
func stamped(text string, instant time.Time) string {
	return strings.ReplaceAll(text, instant.UTC().Format("20060102T150405.000Z"), "STAMP")
}

// told are changes, one a line. A plan knows no UUID of what the run will make.
func told(status string, changes []sdk.Change, instant time.Time, started map[string]bool) string {
	lines := []string{status}
	for _, c := range changes {
		id := c.Resource.ID
		if !started[id] {
			id = ""
		}
		lines = append(lines, fmt.Sprintf("%s %q %s %s", c.Kind, stamped(c.Resource.Name, instant), id, c.Summary))
	}
	return strings.Join(lines, "\n")
}

// hold writes a playbook, plans it, runs it, and compares.
func (s *scene) hold(all *covered) {
	t := s.t
	t.Helper()
	w := &playbookWriter{scene: s, managed: s.managed()}
	text := w.playbook()
	dir := t.TempDir()
	file, saved := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "saved.plan")
	s.must(os.WriteFile(file, []byte(text), 0o600))
	before := s.listed()
	there := map[string]bool{}
	for id := range before {
		there[id] = true
	}
	digest := digestOf(t, s.fs)
	code, out, errs := coppice(t, nil, "plan", file, "--json", "--out", saved)
	for again := 0; digestOf(t, s.fs) != digest; again++ {
		if again == 3 { // and not the kernel
			t.Error("the plan has left a trace on the filesystem")
			break
		}
		digest = digestOf(t, s.fs)
		coppice(t, nil, "plan", file)
	}
	var plan struct {
		Instant time.Time `json:"instant"`
		Steps   []stepOf  `json:"steps"`
	}
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatalf("plan: exit code %d\n%s%s\n%s", code, out, errs, text)
	}
	args := []string{"run", file, "--json"}
	if code == 0 {
		args = []string{"apply", saved, "--json"}
		all.saved++
	}
	_, out, errs = coppice(t, nil, args...)
	instant := plan.Instant
	ran := map[string]stepOf{}
	var made []sdk.Change
	for line := range strings.Lines(out) {
		var e stepOf
		s.must(json.Unmarshal([]byte(line), &e))
		switch e.Type {
		case "run_started":
			instant = e.Instant
		case "step_finished":
			ran[e.key()] = e
			made = append(made, e.Made...)
		}
	}
	if len(ran) == 0 {
		t.Fatalf("%v did not run:\n%s%s\n%s", args, out, errs, text)
	}
	all.playbooks++
	for _, p := range plan.Steps {
		all.steps++
		r, ok := ran[p.key()]
		all.made += len(r.Made)
		if p.Conditional != "" {
			continue
		}
		all.sure++
		all.known += len(r.Made)
		want, got := told(p.Status, p.Planned.Changes, plan.Instant, there), told(r.Status, r.Made, instant, there)
		if !ok || want != got {
			t.Errorf("step %s: planned:\n%s\nmade:\n%s\nplanned %+v, run %+v\n%s%s", p.key(), want, got, p.Diagnostics, r.Diagnostics, text, errs)
		}
		if want, got := s.seen(p, plan.Instant), s.seen(r, instant); code == 0 && want != got {
			t.Errorf("step %s: the plan has the outputs\n%s\nand the run\n%s\n%s", p.key(), want, got, text)
		}
	}

	// What the kernel says.
	after := s.listed()
	for _, c := range made {
		switch c.Kind {
		case sdk.Create:
			found := false
			for id, path := range after {
				found = found || path == c.Resource.Name && !there[id]
			}
			if !found && !slices.ContainsFunc(made, func(d sdk.Change) bool { return d.Kind == sdk.Delete && d.Resource.Name == c.Resource.Name }) {
				t.Errorf("%q is said to be made, and is not there", c.Resource.Name)
			}
		case sdk.Delete:
			if s.mounted[c.Resource.ID] {
				t.Errorf("%q is mounted, and was deleted", c.Resource.Name)
			}
			if _, ok := after[c.Resource.ID]; ok || c.Resource.ID == "" {
				t.Errorf("%q (%s) is said to be deleted, and is there", c.Resource.Name, c.Resource.ID)
			}
		}
	}
	for id, path := range before {
		deleted := slices.ContainsFunc(made, func(c sdk.Change) bool { return c.Kind == sdk.Delete && c.Resource.ID == id })
		if now, ok := after[id]; !deleted && (!ok || now != path) {
			t.Errorf("%q is gone, and nobody has said so", path)
		}
	}
	for id, path := range after {
		created := slices.ContainsFunc(made, func(c sdk.Change) bool { return c.Kind == sdk.Create && c.Resource.Name == path })
		if _, ok := before[id]; !ok && !created {
			t.Errorf("%q is there, and nobody has said so", path)
		}
	}
	if t.Failed() {
		t.Logf("%v ended with\n%s", args, errs)
	}
}

// seen is what of the outputs a plan can know: names, and why they stay or go.
func (s *scene) seen(r stepOf, instant time.Time) string {
	var o struct {
		Count      *int `json:"count"`
		Stamp      string
		Subvolumes []struct {
			Path     string
			ReadOnly bool `json:"read_only"`
			Managed  bool
		}
		Snapshots     []struct{ Source, Path string }
		Missing       []string
		Deleted, Kept []struct{ Path, Why string }
		Foreign       []string
		Path          string
	}
	if len(r.Outputs) > 0 {
		s.must(json.Unmarshal(r.Outputs, &o))
	}
	data, err := json.MarshalIndent(o, "", " ")
	s.must(err)
	return stamped(string(data), instant)
}
