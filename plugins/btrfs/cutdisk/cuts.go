package cutdisk

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Sample says which cuts to try.
type Sample struct {
	Most   int    // boundaries at most; of more, a choice by the seed is tried; 0: all
	Subset int    // states in which only some of the unflushed writes have reached the platter, at most
	Seed   uint64 // of the choices
}

// Cuts is what a Sample of a tape is.
type Cuts struct {
	List       []Cut // ascending
	Boundaries int   // that differ: those with a write before them, and the one before all
	Chosen     int   // of them
	Subsets    int   // in List
}

// Cuts chooses cuts. After each write is a boundary; a flush and a mark make no other state.
func (t *Tape) Cuts(s Sample) Cuts {
	random := rand.New(rand.NewPCG(s.Seed, 0))
	all, torn := t.boundaries()
	c := Cuts{Boundaries: len(all)}
	if s.Most > 0 && len(all) > s.Most {
		// The last is the one after which nothing was lost: it is always there.
		last := all[len(all)-1]
		random.Shuffle(len(all)-1, func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = append(all[:s.Most-1], last)
	}
	c.Chosen = len(all)
	for _, b := range all {
		c.List = append(c.List, Cut{Boundary: b})
	}
	if len(torn) > 0 {
		c.Subsets = s.Subset
		for i := range s.Subset {
			// Spread over the tape, and by chance within each stretch of it.
			from, to := i*len(torn)/s.Subset, max((i+1)*len(torn)/s.Subset, i*len(torn)/s.Subset+1)
			c.List = append(c.List, Cut{Boundary: torn[from+random.IntN(to-from)], Seed: 1 + random.Uint64N(1<<32)})
		}
	}
	slices.SortFunc(c.List, func(a, b Cut) int { return cmp.Or(a.Boundary-b.Boundary, cmp.Compare(a.Seed, b.Seed)) })
	return c
}

// boundaries are those behind which the platter differs, and among them those with more than one unflushed write.
func (t *Tape) boundaries() (all, several []int) {
	all = []int{0}
	unflushed := make([]int, t.disks)
	sum := 0
	for i, r := range t.records {
		switch r.kind {
		case kindFlush:
			sum -= unflushed[r.disk]
			unflushed[r.disk] = 0
		case kindWrite, kindClear:
			unflushed[r.disk]++
			sum++
			all = append(all, i+1)
			if sum > 1 || r.parts() > 1 {
				several = append(several, i+1)
			}
		}
	}
	return all, several
}
