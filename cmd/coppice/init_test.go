package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestInitCost watches what the packages that we link do before main: it is done twice in each run, as a plugin is this program once
// more. What go-plugin and gRPC bring along is as it is. Anything else that allocates much is a surprise, and so is a
// package of ours that does: most often a pattern that could be compiled when it is first used.
func TestInitCost(t *testing.T) {
	// Allocations, a half more than measured with Go 1.26.
	const (
		all  = 6500
		most = 150 // of each package but these
	)
	heavy := map[string]int{
		"google.golang.org/protobuf/reflect/protodesc": 1500, // by grpc/reflection, by go-plugin
		"google.golang.org/grpc":                       750,
		"google.golang.org/grpc/internal/binarylog":    450,
		"encoding/gob":       600, // by net/rpc, by go-plugin
		"net/rpc":            200,
		"go.yaml.in/yaml/v3": 450,
		"github.com/hbohlen/coppice/runner/expression":               350, // the table of functions
		"google.golang.org/protobuf/internal/encoding/json":          200,
		"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/zulip": 400, // a pattern for the names of hosts
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, "-test.run=^$")
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1") // the last one counts
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	line := regexp.MustCompile(`(?m)^init (\S+) @.* bytes, (\d+) allocs$`)
	found := line.FindAllStringSubmatch(string(out), -1)
	if len(found) < 20 {
		t.Fatalf("only %d packages are traced:\n%s", len(found), out)
	}
	total := 0
	for _, f := range found {
		name := f[1]
		n, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		if isTest(name) {
			continue
		}
		total += n
		limit := max(most, heavy[name])
		if n > limit {
			t.Errorf("initialising %s allocates %d times, at most %d is expected", name, n, limit)
		}
	}
	if total > all {
		t.Errorf("initialising everything allocates %d times, at most %d is expected", total, all)
	}
}

// isTest reports whether only tests link a package.
func isTest(name string) bool {
	return strings.HasPrefix(name, "github.com/rogpeppe/go-internal") || strings.HasPrefix(name, "github.com/santhosh-tekuri/jsonschema") ||
		name == "testing"
}
