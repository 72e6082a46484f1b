package playbook

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first used: each process of a plugin is this program too, and
// starts faster without.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
