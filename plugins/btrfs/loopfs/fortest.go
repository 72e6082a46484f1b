package loopfs

import (
	"errors"
	"os"
	"strings"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// T is the part of testing.TB that ForTest needs; naming it here keeps the testing package out of programs.
type T interface {
	need.T
	Cleanup(func())
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// ForTest makes a filesystem that lives as long as the test. Where that is impossible the test is skipped, or fails if
// the environment variable COPPICE_REQUIRE, a list with commas, names what is missing: root, btrfs. A filesystem that
// can't be removed fails the test. With COPPICE_KEEP=1 it stays, and the test says where.
func ForTest(t T, o Options) *Filesystem {
	t.Helper()
	need.Root(t)
	f, err := New(o)
	var missing *MissingError
	if errors.As(err, &missing) {
		need.Missing(t, missing.What, err.Error())
	}
	if err != nil {
		t.Fatalf("cannot make a btrfs filesystem for the test: %v", err)
	}
	t.Cleanup(func() {
		if os.Getenv("COPPICE_KEEP") == "1" {
			t.Logf("kept: %s, devices %s", f.Dir, strings.Join(f.Loop, " "))
		}
		if err := f.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return f
}
