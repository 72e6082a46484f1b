package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/tally"
)

// node is a step of the playbook in which everything fails once. The playbook's text
// and what is expected of it are both made of nodes.
type node struct {
	id                    string
	items                 []string // of a for_each
	parallel              bool     // two at the same time
	tells                 bool     // puts the step that has failed into its name
	block, rescue, always []*node
}

func leaves(ids ...string) []*node {
	var all []*node
	for _, id := range ids {
		all = append(all, &node{id: id})
	}
	return all
}

// faulty has a step of every kind in every section.
var faulty = struct{ steps, onFailure, always []*node }{
	steps: slices.Concat(leaves("a"), []*node{
		{id: "each", items: []string{"x", "y", "z"}},
		{id: "guarded",
			block:  slices.Concat(leaves("b1"), []*node{{id: "inner", block: leaves("i1", "i2"), always: leaves("j1", "j2")}}, leaves("b2")),
			rescue: []*node{{id: "r1", tells: true}, {id: "r2"}},
			always: leaves("t1", "t2")},
		{id: "many", items: []string{"u", "v", "w"}, parallel: true},
	}, leaves("c")),
	onFailure: []*node{{id: "tell1", tells: true}, {id: "tell2"}},
	always:    slices.Concat(leaves("last1"), []*node{{id: "closing", block: leaves("k1", "k2"), always: leaves("l1")}}, leaves("last2")),
}

// fault is what happens to one call of one step.
type fault struct {
	name  string // of the step, "each-x" for an item
	phase string // plan; apply: before it has done anything; made: behind its change
	way   string
}

// statuses of steps, by the way of their failure. hang is an action that does not stop
// when its time is up: the host kills it, and the call ends with a broken plugin.
var ways = map[string]Status{"error": Failed, "crash": Errored, "timeout": TimedOut, "hang": TimedOut, "cancel": Cancelled, "stubborn": Cancelled}

// text writes the nodes as YAML. A step that is to time out has little time.
func text(b *strings.Builder, indent string, nodes []*node, f fault) {
	for _, n := range nodes {
		fmt.Fprintf(b, "%s- id: %s\n", indent, n.id)
		if f.way == "timeout" || f.way == "hang" {
			switch {
			case n.id == f.name:
				fmt.Fprintf(b, "%s  timeout: 500ms\n", indent)
			case n.items != nil && strings.HasPrefix(f.name, n.id+"-"):
				// The other items have the same time, and are to come to their end.
				fmt.Fprintf(b, "%s  timeout: 1500ms\n", indent)
			}
		}
		name := n.id
		if n.tells {
			name += ":${{ error.step }}:${{ error.status }}"
		}
		if n.items != nil {
			name += "-${{ item }}"
			fmt.Fprintf(b, "%s  for_each: [%s]\n", indent, strings.Join(n.items, ", "))
		}
		if n.parallel {
			fmt.Fprintf(b, "%s  max_parallel: 2\n", indent)
		}
		if n.block == nil {
			fmt.Fprintf(b, "%s  uses: shelf.put\n%s  with: {name: \"%s\"}\n", indent, indent, name)
			continue
		}
		for _, part := range []struct {
			name  string
			nodes []*node
		}{{"block", n.block}, {"rescue", n.rescue}, {"always", n.always}} {
			if part.nodes != nil {
				fmt.Fprintf(b, "%s  %s:\n", indent, part.name)
				text(b, indent+"    ", part.nodes, f)
			}
		}
	}
}

// expected tells, from the rules of the language and not from the code of the walk, what
// becomes of every step, and which calls there are in which order.
type expected struct {
	faults    map[string]fault
	outline   strings.Builder
	calls     []string // without those of items that run at the same time
	cancelled bool
}

// end is how a list of steps has failed; nil: it has not.
type end struct {
	step   string
	status Status
}

// section: deaf is one that a request to stop does not end; in a lenient one a step runs
// although another one of it has failed. cause is what it deals with.
func (x *expected) section(nodes []*node, deaf, lenient bool, cause *end) (failed *end) {
	for _, n := range nodes {
		if x.cancelled && !deaf || failed != nil && !lenient {
			x.unreached(n)
			continue
		}
		if e := x.node(n, deaf, cause); failed == nil {
			failed = e
		}
	}
	return failed
}

// missed: the last of the steps was not reached.
func (x *expected) missed(nodes []*node) bool {
	return strings.HasSuffix(x.outline.String(), nodes[len(nodes)-1].id+" unreached\n")
}

func (x *expected) unreached(n *node) {
	fmt.Fprintf(&x.outline, "%s unreached\n", n.id)
	for _, part := range [][]*node{n.block, n.rescue, n.always} {
		for _, inside := range part {
			x.unreached(inside)
		}
	}
}

func (x *expected) node(n *node, deaf bool, cause *end) *end {
	switch {
	case n.items != nil:
		return x.items(n, deaf)
	case n.block == nil:
		name := n.id
		if n.tells {
			name += fmt.Sprintf(":%s:%s", cause.step, cause.status)
		}
		return x.put(n, n.id, name, n.id, deaf)
	}
	failed := x.section(n.block, deaf, false, nil)
	if failed == nil && x.cancelled && !deaf && x.missed(n.block) {
		failed = &end{n.id, Cancelled} // stopped between two of its steps
	}
	status := Changed
	switch {
	case failed != nil && n.rescue != nil && (deaf || !x.cancelled):
		status = Rescued
		if failed = x.section(n.rescue, deaf, false, failed); failed != nil {
			status = failed.status
		}
	default:
		if failed != nil {
			status = failed.status
		}
		for _, r := range n.rescue {
			x.unreached(r)
		}
	}
	// Clean-up that has begun is not stopped, and one that has not is made.
	if late := x.section(n.always, true, true, failed); late != nil && failed == nil {
		failed, status = late, late.status
	}
	fmt.Fprintf(&x.outline, "%s %s\n", n.id, status)
	return failed
}

// put is one call. shown is how the outline calls it.
func (x *expected) put(n *node, key, name, shown string, deaf bool) *end {
	f, faulty := x.faults[key]
	if faulty && (f.way == "cancel" || f.way == "stubborn") {
		x.cancelled = true
		faulty = !deaf
	}
	if !n.parallel {
		x.calls = append(x.calls, "plan put "+name)
		if !faulty || f.phase != "plan" {
			x.calls = append(x.calls, "apply put "+name)
		}
	}
	status, made := Changed, " +"+name
	if faulty {
		status = ways[f.way]
		if f.phase != "made" {
			made = ""
		}
	}
	fmt.Fprintf(&x.outline, "%s %s%s\n", shown, status, made)
	if faulty {
		return &end{n.id, status}
	}
	return nil
}

func (x *expected) items(n *node, deaf bool) (failed *end) {
	for i, item := range n.items {
		shown := fmt.Sprintf("%s[%s]", n.id, item)
		running := n.parallel && i < 2 // began before any of them could fail
		if !running && (failed != nil || x.cancelled && !deaf) {
			fmt.Fprintf(&x.outline, "%s unreached\n", shown)
			continue
		}
		if e := x.put(n, n.id+"-"+item, n.id+"-"+item, shown, deaf); failed == nil {
			failed = e
		}
	}
	return failed
}

// names are those of all calls.
func names(nodes []*node) []string {
	var all []string
	for _, n := range nodes {
		switch {
		case n.items != nil:
			for _, item := range n.items {
				all = append(all, n.id+"-"+item)
			}
		case n.block == nil:
			all = append(all, n.id)
		}
		all = append(all, names(slices.Concat(n.block, n.rescue, n.always))...)
	}
	return all
}

// For every step, every phase of it and every way to fail: the outcome of each step, the
// order of all calls with those of the clean-up, and how the run ends.
func TestEveryFaultOfEveryStep(t *testing.T) {
	cases := 0
	var all sync.WaitGroup
	slots := make(chan struct{}, 32) // mostly they wait
	for _, name := range names(slices.Concat(faulty.steps, faulty.onFailure, faulty.always)) {
		for _, phase := range []string{"plan", "apply", "made"} {
			for way := range ways {
				cases++
				all.Go(func() {
					slots <- struct{}{}
					defer func() { <-slots }()
					failOnce(t, fault{name, phase, way})
				})
			}
		}
	}
	all.Wait()
	tally.Add(t, "%d faults", cases)
}

func failOnce(t *testing.T, f fault) {
	var b strings.Builder
	for _, part := range []struct {
		name  string
		nodes []*node
	}{{"steps", faulty.steps}, {"on_failure", faulty.onFailure}, {"always", faulty.always}} {
		b.WriteString(part.name + ":\n")
		text(&b, "  ", part.nodes, f)
	}
	faults := map[string]fault{f.name: f}
	// What is there for failures only runs when there is one before.
	switch f.name {
	case "r1", "r2":
		faults["b2"] = fault{"b2", "apply", "error"}
	case "tell1", "tell2":
		faults["c"] = fault{"c", "plan", "crash"}
	}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s := &shelf{}
	together := newMeeting(f)
	s.within = func(ctx context.Context, call string) error {
		words := strings.SplitN(call, " ", 3)
		name, _, _ := strings.Cut(words[2], ":")
		together.arrive(name, words[0])
		hit, ok := faults[name]
		if !ok || hit.phase != words[0] {
			return nil
		}
		switch hit.way {
		case "error":
			return &sdk.Error{Summary: "no"}
		case "crash":
			return errBroken
		case "cancel":
			stop()
			return ctx.Err() // nil where a request to stop is not heard
		case "stubborn":
			if stop(); ctx.Err() != nil {
				return errBroken
			}
			return nil
		}
		<-ctx.Done()
		if hit.way == "hang" {
			return errBroken
		}
		return ctx.Err()
	}
	p := program(t, b.String(), s)
	inputs, _ := p.Resolve(nil)
	r := Execute(ctx, p, Options{Plugins: inProcess{s.plugin()}, Mode: ModeRun, Run: "r1", Instant: instant, Inputs: inputs, Now: time.Now,
		Emit: func(e Event) {
			if e, ok := e.(StepFinished); ok && e.Step.Item != nil {
				together.finished(e.Step.ID + "-" + e.Step.Label)
			}
		}})

	x := &expected{faults: faults}
	failed := x.section(faulty.steps, false, false, nil)
	status := Succeeded
	if failed != nil && !x.cancelled {
		x.section(faulty.onFailure, true, true, failed)
	} else {
		for _, n := range faulty.onFailure {
			x.unreached(n)
		}
	}
	if late := x.section(faulty.always, true, true, failed); failed == nil {
		failed = late
	}
	switch {
	case x.cancelled:
		status = RunCancelled
	case failed != nil:
		status = RunFailed
	}
	if got := outline(r, ModeRun); got != x.outline.String() {
		t.Errorf("%+v: got:\n%swant:\n%s", f, got, x.outline.String())
	}
	calls := slices.DeleteFunc(s.calls, func(c string) bool { return strings.Contains(c, " many-") })
	if !slices.Equal(calls, x.calls) {
		t.Errorf("%+v: calls:\n%s\nwant:\n%s", f, strings.Join(calls, "\n"), strings.Join(x.calls, "\n"))
	}
	if r.Finished.Status != status {
		t.Errorf("%+v: the run: %s, want %s", f, r.Finished.Status, status)
	}
	if status == RunFailed && !strings.HasPrefix(r.Finished.Reason, "step "+failed.step+": ") {
		t.Errorf("%+v: the reason: %s, want one of step %s", f, r.Finished.Reason, failed.step)
	}
}

// meeting brings the parallel items into one order, so that there is one outcome: the
// first two are both in their Apply when one of them fails, and the other one ends after
// it; the third fails alone.
type meeting struct {
	failing string
	there   chan struct{} // the other of the first two is in its Apply
	over    chan struct{} // the failing one has ended
	before  sync.WaitGroup
}

func newMeeting(f fault) *meeting {
	m := &meeting{failing: f.name, there: make(chan struct{}), over: make(chan struct{})}
	m.before.Add(2)
	return m
}

func (m *meeting) arrive(name, phase string) {
	switch {
	case !strings.HasPrefix(m.failing, "many-") || !strings.HasPrefix(name, "many-"):
	case m.failing == "many-w":
		if name == m.failing {
			m.before.Wait()
		}
	case name == m.failing:
		<-m.there
	case phase == "apply":
		close(m.there)
		<-m.over
	}
}

func (m *meeting) finished(name string) {
	switch {
	case !strings.HasPrefix(m.failing, "many-") || !strings.HasPrefix(name, "many-"):
	case name == m.failing:
		close(m.over)
	case m.failing == "many-w":
		m.before.Done()
	}
}
