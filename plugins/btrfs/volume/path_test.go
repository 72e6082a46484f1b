package volume

import (
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	for given, want := range map[string]string{
		"a": "a", "a/b": "a/b", "./a//b/": "a/b", "": "", ".": "", "-x": "-x", "a b\n": "a b\n", "ä": "ä", "..a": "..a",
	} {
		if got, err := CleanPath("/x", given); err != nil || got != want {
			t.Errorf("%q is %q, %v", given, got, err)
		}
	}
	for _, bad := range []string{"/a", "a/../b", "..", "a\x00b", "\xff", strings.Repeat("x", 256)} {
		if got, err := CleanPath("/x", bad); err == nil || err.Path != "/x" {
			t.Errorf("%q is %q, %v", bad, got, err)
		}
	}
	if ParentOf("a") != "" || ParentOf("a/b/c") != "a/b" || !Inside("a", "a/b") || Inside("a", "ab") || Inside("a", "a") || !Inside("", "a") {
		t.Error("parents")
	}
}
