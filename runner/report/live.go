package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// The columns of the live form.
const (
	liveDefaultWidth = 80
	liveWidest       = 100 // counts and times stay in sight of the names on a wide terminal
	liveName         = 12
)

type live struct {
	form
	last     lastLine
	started  engine.RunStarted
	any      bool
	finished bool
	closed   bool
	frame    int
	active   []*activeStep
	items    map[stepKey]*itemsDone
	group    *itemsDone            // the items that finished last
	idle     map[engine.Status]int // steps that nothing is told of
}

// activeStep is a step that runs.
type activeStep struct {
	ref      engine.StepRef
	key      stepKey
	since    time.Time
	touched  int // the event that was last about it
	progress engine.StepProgress
	planned  int
	made     int
	pace     pace
}

// itemsDone is what the items of a step have shown.
type itemsDone struct {
	done   int
	folded map[engine.Status]int // those that have no line
	said   map[sdk.Diagnostic]bool
}

// NewLive shows a run on a terminal. Close must be called: a goroutine redraws the last line until then.
func NewLive(o Options) Reporter { return newLive(o, redrawEvery) }

func newLive(o Options, every time.Duration) *live {
	r := &live{form: newForm(o), items: map[stepKey]*itemsDone{}, idle: map[engine.Status]int{}}
	if r.Width == 0 {
		r.Width = liveDefaultWidth
	}
	r.last.out, r.last.draw = r.out, r.draw
	if every > 0 {
		r.last.start(every)
	}
	return r
}

func (r *live) Emit(e engine.Event) {
	r.last.mu.Lock()
	defer r.last.mu.Unlock()
	if r.closed || r.finished {
		return
	}
	p := r.page()
	r.any = true
	switch e := e.(type) {
	case engine.RunStarted:
		r.started = e
		r.header(p, e)
	case engine.StepStarted:
		r.begin(e.Step)
	case engine.StepPlanned:
		r.begin(e.Step).planned = len(e.Plan.Changes)
	case engine.StepProgress:
		a := r.begin(e.Step)
		a.progress = e
		a.pace.add(r.Now(), e.Current)
	case engine.ChangeMade:
		a := r.begin(e.Step)
		a.made++
	case engine.StepRetrying:
		if !r.Quiet {
			p.wrap(line{}.add(plain, "  ").add(yellow, "↻ ").add(dim, r.stepName(e.Step)+": "), yellow, r.retrying(e))
		}
	case engine.StepLog:
		r.log(p, e)
	case engine.StepFinished:
		r.finish(p, e.StepResult)
	case engine.RunFinished:
		r.finished = true
		r.active = nil
		r.unfold(p)
		r.summary(p, e)
	}
	r.last.print(p.String())
}

func (r *live) header(p *page, e engine.RunStarted) {
	if r.Quiet {
		return
	}
	l := line{}.add(bold, r.clean(e.Playbook))
	if e.Description != "" {
		l = l.add(dim, "  "+r.clean(e.Description))
	}
	p.put(l)
	if e.Resumes != "" {
		p.put(line{}.add(dim, "goes on from run "+r.clean(e.Resumes)))
	}
}

// begin finds a running step, or notes that it runs, and that something happened to it.
func (r *live) begin(s engine.StepRef) *activeStep {
	key, newest := keyOf(s), 0
	var found *activeStep
	for _, a := range r.active {
		newest = max(newest, a.touched)
		if a.key == key {
			found = a
		}
	}
	if found == nil {
		found = &activeStep{ref: s, key: key, since: r.Now()}
		r.active = append(r.active, found)
	}
	found.touched = newest + 1
	return found
}

func (r *live) forget(key stepKey) {
	for i, a := range r.active {
		if a.key == key {
			r.active = append(r.active[:i:i], r.active[i+1:]...)
			return
		}
	}
}

func (r *live) log(p *page, e engine.StepLog) {
	text := r.clean(strings.TrimRight(e.Message, "\r\n"))
	start := line{}.add(plain, "  ")
	switch e.Level {
	case "warn":
		p.wrap(start.add(yellow, "⚠ ").add(dim, r.clean(e.Plugin)+": "), yellow, text)
	case "error":
		p.wrap(start.add(red, "✗ ").add(dim, r.clean(e.Plugin)+": "), red, text)
	case "debug", "trace":
		if r.Verbose && !r.Quiet {
			p.wrap(start.add(dim, "  "+r.clean(e.Plugin)+": "), dim, text)
		}
	default:
		if !r.Quiet {
			p.wrap(start.add(dim, "· "+r.clean(e.Plugin)+": "), dim, text)
		}
	}
}

func (r *live) finish(p *page, res engine.StepResult) {
	key := keyOf(res.Step)
	r.forget(key)
	if idle(res) && !r.Verbose {
		r.idle[res.Status]++
		return
	}
	items := r.items[key.whole()]
	if items == nil {
		items = &itemsDone{folded: map[engine.Status]int{}, said: map[sdk.Diagnostic]bool{}}
		r.items[key.whole()] = items
	}
	if r.group != items || key.item < 0 {
		r.unfold(p)
		r.group = items
	}
	var news []sdk.Diagnostic
	for _, d := range res.Diagnostics {
		if key.item >= 0 || !items.said[d] {
			news = append(news, d)
		}
		items.said[d] = true
	}
	calm := !res.Status.Bad() && len(news) == 0
	if key.item >= 0 {
		items.done++
		if calm && !r.Verbose && items.done > foldAbove {
			items.folded[res.Status]++
			return
		}
	}
	if r.Quiet && calm {
		return
	}
	p.put(r.outcome(res, items))
	indent := 4 + 2*res.Step.Depth
	if !r.Quiet && (key.item >= 0 || items.done == 0) {
		r.changes(p, res.Made, listing{indent: indent})
	}
	for _, d := range news {
		r.diagnostic(p, indent, d)
	}
	if partly := partial(res); partly != "" {
		p.put(line{}.pad(indent).add(dim, partly))
	}
}

// unfold tells how many items had no line.
func (r *live) unfold(p *page) {
	if r.group == nil || r.Quiet {
		return
	}
	if n := sumSteps(r.group.folded); n > 0 {
		text := fmt.Sprintf("%s %s (%s)", ellipsis, Count(n, "more item"), countSteps(r.group.folded, ", "))
		p.put(line{}.add(dim, "  "+text))
		clear(r.group.folded)
	}
}

// outcome is "✓ take   Snapshot 4 subvolumes   +4   0.12s".
func (r *live) outcome(res engine.StepResult, items *itemsDone) line {
	sign := statusSign(res.Status)
	l := line{}.pad(2*res.Step.Depth).add(sign.style, sign.text+" ")
	name, title := r.stepName(res.Step), r.stepTitle(res.Step)
	width := min(r.columns(), liveWidest)
	name = cutMiddle(name, max(width/2-4, 8))
	l = l.add(bold, name).pad(2+max(liveName, 2*res.Step.Depth+textWidth(name))).add(plain, "  ")
	style := plain
	if title == r.clean(res.Step.Uses) {
		style = dim
	}
	var end line
	switch {
	case res.Status == engine.Skipped || res.Status == engine.Unreached:
		style, title = dim, statusText(res.Status)
		if res.Why != "" {
			title += ": " + r.clean(res.Why)
		}
		return l.add(style, title)
	case res.Resumed != "" && !res.Status.Bad():
		return l.add(dim, r.already(res))
	case res.Status.Bad():
		end = end.add(loud, statusText(res.Status)+"  ")
	}
	end = append(end, countChanges(res.Made).signs()...)
	took := line{}.add(dim, Duration(res.Duration))
	if res.Step.Item == nil && items.done > 0 {
		title += fmt.Sprintf(" (%s)", Count(items.done, "item"))
	}
	if res.Summary != "" {
		title += ": " + r.clean(res.Summary)
	}
	const timeWidth = 8
	end = end.add(plain, strings.Repeat(" ", max(timeWidth-took.width(), 1)))
	end = append(end, took...)
	room := width - l.width() - end.width() - 1
	if room < 4 {
		return append(l, end...)
	}
	head, tail := splitWidth(title, room)
	if tail != "" {
		head, _ = splitWidth(title, room-1)
		head += ellipsis
	}
	l = l.add(style, head)
	return append(l.pad(width-end.width()), end...)
}

func (r *live) Close() error {
	r.last.end()
	r.last.mu.Lock()
	open := r.any && !r.finished && !r.closed
	r.last.mu.Unlock()
	if open {
		r.Emit(neverFinished(r.started))
	}
	r.last.mu.Lock()
	defer r.last.mu.Unlock()
	r.closed = true
	r.last.clear()
	return r.flush()
}
