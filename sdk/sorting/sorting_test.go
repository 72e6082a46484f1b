package sorting_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hbohlen/coppice/sdk/sorting"
)

type pair struct{ key, place int }

// The standard library is the oracle.
func TestSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		var all []pair
		for i := range n {
			all = append(all, pair{r.IntN(20), i})
		}
		byKey := func(a, b pair) int { return cmp.Compare(a.key, b.key) }
		want, got := slices.Clone(all), slices.Clone(all)
		slices.SortStableFunc(want, byKey)
		sorting.Stable(got, byKey)
		if !slices.Equal(got, want) {
			t.Fatalf("stable, of %d: %v", n, got)
		}
		sorting.By(got, func(a, b pair) int { return cmp.Compare(a.place, b.place) })
		if !slices.Equal(got, all) {
			t.Fatalf("of %d: %v", n, got)
		}
	}
}
