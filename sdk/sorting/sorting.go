// Package sorting sorts slices by a comparison. It does what slices.SortFunc and slices.SortStableFunc do, and is slower by a little: those are
// compiled anew for each type of element, which makes some 15 KB of each.
package sorting

import "sort"

// By sorts s by compare, which is negative where a comes before b, and positive where it comes after it.
func By[S ~[]E, E any](s S, compare func(a, b E) int) { sort.Sort(sorter[E]{s, compare}) }

// Stable is By that keeps the order of equal elements.
func Stable[S ~[]E, E any](s S, compare func(a, b E) int) { sort.Stable(sorter[E]{s, compare}) }

type sorter[E any] struct {
	s       []E
	compare func(a, b E) int
}

func (s sorter[E]) Len() int           { return len(s.s) }
func (s sorter[E]) Less(i, j int) bool { return s.compare(s.s[i], s.s[j]) < 0 }
func (s sorter[E]) Swap(i, j int)      { s.s[i], s.s[j] = s.s[j], s.s[i] }
