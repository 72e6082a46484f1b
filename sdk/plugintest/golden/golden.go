// Package golden compares what a program has made with what somebody has looked at and found right, in a file. It gives the test
// that imports it a flag: "go test -update" writes the files anew, for the next reader to look at.
package golden

import (
	"flag"
	"os"
)

var update = flag.Bool("update", false, "write the files with what is expected anew")

// T is the part of testing.TB that is used.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Check expects what the file holds, or writes it there.
func Check(t T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatalf("cannot write what is expected: %v", err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("cannot read what is expected: %v", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it)\n--- got\n%s--- want\n%s", file, got, want)
	}
}
