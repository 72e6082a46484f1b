package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/hbohlen/coppice/"

// order: a package may import packages of its own folder and of those named here.
var order = map[string][]string{
	"sdk":       {},
	"playbooks": {},
	"plugins":   {"sdk", "playbooks"},
	"runner":    {"sdk"},
	"cmd":       {"sdk", "playbooks", "plugins", "runner"},
	"docs":      {"sdk", "playbooks", "plugins", "runner", "cmd"},
}

// pure packages are functions of values: they reach no file, process, socket,
// terminal or randomness. (The clock is package time's, which they need for its
// types; engine and retention get "now" as a value, which their tests hold.)
var pure = []string{
	"sdk", "sdk/schema", "sdk/unit",
	"runner/calendar", "runner/diagnostic", "runner/editor", "runner/graph", "runner/planfile", "runner/report/human", "runner/report/picture", "runner/powercut", "runner/rehearse", "runner/simulate", "runner/playbook", "runner/expression", "runner/check", "runner/engine",
	"plugins/btrfs/retention",
	"cmd/coppice/install/boot",
}

var impure = []string{"os", "os/exec", "os/signal", "net", "net/http", "syscall", "math/rand", "math/rand/v2",
	"crypto/rand", "io/ioutil", "golang.org/x/sys/unix", "golang.org/x/term"}

// listed is the part of `go list -json` that is used here.
type listedPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []listedPackage {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listedPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportOrder(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module)
		folder, _, _ := strings.Cut(from, "/")
		legal, known := order[folder]
		if !known {
			t.Errorf("%s is in no folder of the layout", from)
			continue
		}
		for _, i := range p.Imports {
			to, ours := strings.CutPrefix(i, module)
			if !ours {
				continue
			}
			target, _, _ := strings.Cut(to, "/")
			if target != folder && !contains(legal, target) {
				t.Errorf("%s imports %s: %s may import only %s", from, to, folder, strings.Join(legal, ", "))
			}
		}
	}
}

func TestPurity(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if !contains(pure, name) {
			continue
		}
		seen[name] = true
		for _, i := range p.Imports {
			if contains(impure, i) {
				t.Errorf("%s imports %s: it must stay a pure function of values", name, i)
			}
		}
	}
	for _, name := range pure {
		if !seen[name] {
			t.Errorf("pure package %s does not exist", name)
		}
	}
}

// TestLibrariesBehindOnePackage: YAML stays in one package, expr in another: both can then be replaced.
func TestLibrariesBehindOnePackage(t *testing.T) {
	behind := map[string]string{
		"go.yaml.in/yaml/v3":              "runner/playbook",
		"github.com/expr-lang/expr":       "runner/expression",
		"github.com/dennwc/btrfs":         "plugins/btrfs/kernel",
		"github.com/hashicorp/go-plugin":  "sdk runner/host cmd/bench/bare",
		"google.golang.org/grpc":          "sdk runner/host cmd/bench/bare",
		"github.com/spf13/cobra":          "cmd/coppice",
		"golang.org/x/sys/unix":           "plugins cmd runner/report/systemd",
		"unsafe":                          "plugins/btrfs/kernel plugins/btrfs/loopfs sdk/protocol",
		"github.com/hashicorp/go-hclog":   "sdk runner/host",
		"github.com/rs/zerolog":           "sdk",
		"github.com/rogpeppe/go-internal": "cmd/coppice/install", // its diff
		"github.com/coreos/go-systemd":    "plugins/systemd",
		"github.com/godbus/dbus":          "plugins/systemd",

		"github.com/nicholas-fedor/shoutrrr": "plugins/notify",
		"github.com/prometheus":              "plugins/notify",
	}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, i := range p.Imports {
			for library, places := range behind {
				if i != library && !strings.HasPrefix(i, library+"/") {
					continue
				}
				legal := false
				for _, place := range strings.Fields(places) {
					legal = legal || name == place || strings.HasPrefix(name, place+"/")
				}
				if !legal {
					t.Errorf("%s imports %s, which only %q may", name, i, places)
				}
			}
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}
