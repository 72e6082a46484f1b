package plugintest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// abreast is how many calls of each case are made at a time.
const abreast = 4

// together plans all cases at the same time, several times each, and expects what they gave one after the other.
func (k *kit) together(ctx context.Context) {
	if len(k.o.Cases) == 0 {
		return
	}
	var trials []*trial
	for _, c := range k.o.Cases {
		t := &trial{kit: k, Case: c, info: k.d.Action(c.Action), instant: now()}
		var err error
		if t.inputs, err = encode(c.Inputs); err != nil || t.info == nil {
			continue // tryCase has told
		}
		if _, ok := t.prepare(ctx); ok {
			trials = append(trials, t)
		}
	}
	// One case may have undone what another has prepared: what is asked for now is only that nothing differs.
	alone := make([]any, len(trials))
	for i, t := range trials {
		a := k.plan(ctx, k.request(t.Action, t.inputs, t.instant, t.Prior))
		if a.broken != nil {
			k.find(concurrent, "", t.name()+": "+a.broken.Error())
			return
		}
		alone[i] = outcome(a)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	problem := ""
	client := k.session.client
	for i, t := range trials {
		for range abreast {
			r := k.request(t.Action, t.inputs, t.instant, t.Prior)
			all.Go(func() {
				ctx, stop := context.WithTimeout(ctx, k.o.Timeout)
				defer stop()
				p, err := client.Plan(ctx, r)
				mu.Lock()
				defer mu.Unlock()
				if problem != "" {
					return
				}
				if a := answered(k, p, err); a.broken != nil {
					problem = t.name() + ": " + a.broken.Error()
				} else if d := difference(alone[i], outcome(a), "", t.Varies); d != "" {
					problem = t.name() + ": alone and among others: " + d
				}
			})
		}
	}
	all.Wait()
	if k.launcher != nil { // what the process has written of a race is all there when it has ended
		if err := k.restart(); err != nil && problem == "" {
			problem = err.Error()
		}
	}
	if _, text, _ := k.said.said(); problem == "" && strings.Contains(text, "WARNING: DATA RACE") {
		_, text, _ = strings.Cut(text, "WARNING: DATA RACE")
		problem = "the race detector has found:" + shorten(text, 1500)
	}
	k.find(concurrent, "", problem)
}

// outcome is a plan or why there is none, to be compared.
func outcome[V any](a answer[V]) any {
	if a.refused != nil {
		return tree(a.refused)
	}
	return tree(a.value)
}

// streams judges what was written to standard output.
func (k *kit) streams() {
	if k.launcher == nil {
		return
	}
	out, _, _ := k.said.said()
	problem := ""
	if out != "" {
		text, err := json.Marshal(shorten(out, 300))
		if err != nil {
			panic(err)
		}
		problem = fmt.Sprintf("there is %s", text)
	}
	k.find(stdout, "", problem)
}
