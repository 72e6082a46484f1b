// Package tally lets a test tell how much it has covered: how many states, kills, boots. "go test" shows nothing of what a test that
// passes has logged, and a number that nobody sees can fall to nothing.
package tally

import (
	"fmt"
	"os"
	"strings"
)

// Variable names the file that lines are appended to, for whoever runs the tests to print. Without it they are only logged.
const Variable = "COPPICE_TALLY"

// T is the part of testing.TB that is used.
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Add tells one line. Tests of several processes may do so at the same time.
func Add(t T, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	t.Logf("%s", text)
	path := os.Getenv(Variable)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Errorf("cannot tell what was covered: %v", err)
		return
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s: %s\n", t.Name(), strings.ReplaceAll(text, "\n", "; ")); err != nil {
		t.Errorf("cannot tell what was covered: %v", err)
	}
}
