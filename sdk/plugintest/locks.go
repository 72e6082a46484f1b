package plugintest

import (
	"context"
	"fmt"
	"slices"

	"github.com/hbohlen/coppice/sdk"
)

// lockKeys asks what the case would lock, and tries to have it.
func (t *trial) lockKeys(ctx context.Context) ([]string, bool) {
	r := t.request(t.Action, t.inputs, t.instant, t.Prior)
	var first []string
	for i := range 2 {
		a := t.resolve(ctx, r)
		if problem := a.problem("Resolve"); problem != "" {
			t.find(locks, problem)
			return nil, a.broken == nil
		}
		keys := []string{}
		for _, l := range a.value {
			if l.Key == "" || l.Title == "" {
				t.find(locks, fmt.Sprintf("a lock has no key or no title: %+v", l))
			}
			keys = append(keys, l.Key)
		}
		slices.Sort(keys)
		if i == 0 {
			first = keys
		} else if !slices.Equal(first, keys) {
			t.find(locks, fmt.Sprintf("first %q, then %q", first, keys))
		}
	}
	t.find(locks, t.lockTwice(ctx, first))
	return first, true
}

// lockTwice takes the locks, twice as a run may, and lets them go, twice too.
func (t *trial) lockTwice(ctx context.Context, keys []string) string {
	ctx, stop := context.WithTimeout(ctx, t.o.Timeout)
	defer stop()
	client := t.session.client
	for _, call := range []struct {
		name string
		do   func(context.Context, []string) error
	}{{"Lock", client.Lock}, {"Lock of what it holds", client.Lock}, {"Unlock", client.Unlock}, {"Unlock of what it does not hold", client.Unlock}} {
		if a := answered(t.kit, sdk.Lock{}, call.do(ctx, keys)); a.broken != nil || a.refused != nil {
			return a.problem(call.name)
		}
	}
	return ""
}
