package diagnostic

import (
	"fmt"
	"strings"
)

// Suggest returns the legal value that got most likely was meant to be, or "" if none is near. Near means few typing
// slips (a letter wrong, missing, extra, or two swapped): one in up to four letters, two in up to eight, else three.
// Case and the difference between - and _ count as nothing. Of equally near ones the first wins.
func Suggest(got string, legal []string) string {
	const longest = 64
	if got == "" || len(got) > longest {
		return ""
	}
	folded := fold(got)
	best, bestDistance := "", slips(len(folded))+1
	for _, candidate := range legal {
		if candidate == "" || len(candidate) > longest || candidate == got {
			continue
		}
		if d := distance(folded, fold(candidate)); d < bestDistance && d < len(folded) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// DidYouMean is the sentence for what Suggest finds, `did you mean "steps"?`, or "" if it finds nothing.
func DidYouMean(got string, legal []string) string {
	if near := Suggest(got, legal); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

func slips(letters int) int {
	switch {
	case letters <= 4:
		return 1
	case letters <= 8:
		return 2
	}
	return 3
}

func fold(s string) []rune {
	return []rune(strings.ReplaceAll(strings.ToLower(s), "-", "_"))
}

// distance is the Damerau-Levenshtein distance in its optimal string alignment form: no part is edited twice.
func distance(a, b []rune) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
