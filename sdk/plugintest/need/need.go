// Package need is how a test says what it needs of the machine. Where that is missing the test is skipped, or fails if
// the environment variable COPPICE_REQUIRE, a list with commas, names it: root, swap, and what .ci/need can install, by its
// words. COPPICE_WITHOUT=root leaves out what needs root where the tests run as root: it takes long.
package need

import (
	"os"
	"slices"
	"strings"
)

// T is the part of testing.TB that is used; naming it here keeps the testing package out of programs.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Missing ends a test that lacks what; reason is for people.
func Missing(t T, what, reason string) {
	t.Helper()
	if Required(what) {
		t.Fatalf("%s; COPPICE_REQUIRE has %s", reason, what)
	}
	t.Skipf("skipped: %s", reason)
}

// Root ends the test unless it runs as root.
func Root(t T) {
	t.Helper()
	switch {
	case os.Geteuid() != 0:
		Missing(t, "root", "needs root")
	case !HasRoot():
		Missing(t, "root", "needs root, and COPPICE_WITHOUT has it")
	}
}

// HasRoot reports whether tests that need root can run.
func HasRoot() bool { return os.Geteuid() == 0 && !names("COPPICE_WITHOUT", "root") }

// Required reports whether COPPICE_REQUIRE names what.
func Required(what string) bool { return names("COPPICE_REQUIRE", what) }

func names(variable, what string) bool {
	return slices.Contains(strings.Split(os.Getenv(variable), ","), what)
}
