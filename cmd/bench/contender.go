package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// contender is one of several ways to do the same task.
type contender struct {
	name  string
	world *world
	keeps bool // it changes nothing, so that it needs no fresh copy of the world
	run   func(context.Context, *world) (spent, error)
	check func(context.Context, *world) error // whether it did the right thing; nil: nothing to check

	account *cgroup // for its processes; nil: nobody counts
	missing string  // why it does not take part, "" if it does
	samples []spent
}

// inTurn runs all contenders, one after the other, as often as wanted.
func (b *bench) inTurn(ctx context.Context, all ...*contender) error {
	for range b.runs {
		for _, c := range all {
			if c.missing != "" {
				continue
			}
			b.account = c.account
			err := c.once(ctx)
			b.account = nil
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

func (c *contender) once(ctx context.Context) error {
	fresh := c.world.restore
	if c.keeps {
		fresh = c.world.remount
	}
	if err := fresh(ctx); err != nil {
		return err
	}
	s, err := c.run(ctx, c.world)
	if err != nil {
		return err
	}
	if c.check != nil {
		if err := c.check(ctx, c.world); err != nil {
			return err
		}
	}
	c.samples = append(c.samples, s)
	return ctx.Err()
}

// figure is what many runs come down to.
type figure struct{ least, median, most time.Duration }

// of sums up one of the times.
func (c *contender) of(which func(spent) time.Duration) figure {
	var all []time.Duration
	for _, s := range c.samples {
		all = append(all, which(s))
	}
	return sum(all)
}

func sum(all []time.Duration) figure {
	if len(all) == 0 {
		return figure{}
	}
	all = slices.Sorted(slices.Values(all))
	half := len(all) / 2
	median := all[half]
	if len(all)%2 == 0 {
		median = (all[half-1] + all[half]) / 2
	}
	return figure{all[0], median, all[len(all)-1]}
}

func wall(s spent) time.Duration  { return s.wall }
func freed(s spent) time.Duration { return s.freed }
