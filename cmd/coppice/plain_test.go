package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"
)

// The tests start coppice and its plugins a thousand times. With the race detector in it a start takes several times as long, so
// under the detector most of them start a build of these tests without it: what runs in parallel inside one process is the matter of
// the packages' own tests. Some stay with the build that has it: the tests of signals, events and locks, and racedScripts.
const raced = "/proc/self/exe"

// plain is a build of these tests without the race detector.
var plain = raced

// race is set under the race detector.
var race bool

// racedScripts have runs of every kind between them: that fail, that are stopped and gone on with, with parallel items, of saved plans.
var racedScripts = []string{"apply", "language", "resume", "rotation", "runs"}

// buildPlain makes plain, a program named coppice in a folder of its own, so that scripts find it by PATH.
func buildPlain(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "coppice")
	if out, err := exec.Command("go", "test", "-c", "-race=false", "-vet=off", "-o", path, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the tests without the race detector: %w: %s", err, out)
	}
	plain = path
	return nil
}

// pathFor is where a script looks for programs.
func pathFor(e *testscript.Env) string {
	// The folder of a script's files is named by it.
	name := filepath.Base(e.WorkDir)
	if plain == raced || slices.Contains(racedScripts, name[len("script-"):]) {
		return e.Getenv("PATH")
	}
	return filepath.Dir(plain) + ":" + e.Getenv("PATH")
}
