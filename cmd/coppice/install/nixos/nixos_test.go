// Package nixos is the folder of the NixOS module. There is no code in it but the tests, which evaluate the module as Nix does: with
// the module system in testdata/lib.nix, which takes the place of nixpkgs' own.
package nixos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// evaluated is what a configuration comes to.
type evaluated struct {
	Failed []string // messages of assertions
	Result *machine // nil: something has failed
}

// machine is what the module makes of one.
type machine struct {
	Services, Timers, InitrdServices map[string]unitOptions
	Specialisation                   map[string]any
	StorePaths, SupportedFilesystems []string
	Packages                         []string
	Contents, Etc                    map[string]struct {
		Text, Source *string
		Mode         string
	}
}

// nix evaluates an expression without a store and without a network, and reads its JSON into result. The error has what Nix says.
func nix(t *testing.T, expression string, result any) error {
	t.Helper()
	if _, err := exec.LookPath("nix-instantiate"); err != nil {
		need.Missing(t, "nix", "needs nix-instantiate")
	}
	c := exec.Command("nix-instantiate", "--eval", "--strict", "--json", "--expr", expression)
	c.Env = environment(t)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, stderr.String())
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return nil
}

// environment is that of Nix without a store.
func environment(t *testing.T) []string {
	return append(os.Environ(), "NIX_REMOTE=dummy://", "HOME="+t.TempDir(), "NIX_CONFIG=build-users-group =")
}

// library is the module system: that of the tests, or the folder of nixpkgs' lib that COPPICE_NIXPKGS_LIB names.
func library() string {
	if dir := os.Getenv("COPPICE_NIXPKGS_LIB"); dir != "" {
		return dir
	}
	return "./testdata/lib.nix"
}

// evaluate evaluates configurations, all of them in one go.
func evaluate(t *testing.T, configurations ...string) ([]evaluated, error) {
	t.Helper()
	var all []evaluated
	err := nix(t, fmt.Sprintf("let lib = import %s; in map (configuration: import ./testdata/eval.nix { inherit lib configuration; }) [ (%s) ]",
		library(), strings.Join(configurations, ") (")), &all)
	return all, err
}

// evaluateOne evaluates a configuration that has no mistakes.
func evaluateOne(t *testing.T, configuration string) *machine {
	t.Helper()
	all, err := evaluate(t, configuration)
	if err != nil {
		t.Fatal(err)
	}
	if len(all[0].Failed) > 0 {
		t.Fatal(all[0].Failed)
	}
	return all[0].Result
}

// server is a configuration without a mistake.
const server = "./testdata/server.nix"

// The units, inputs and what goes into the initrd, as testdata/golden has them.
func TestUnits(t *testing.T) {
	e := evaluateOne(t, server)
	var b strings.Builder
	for _, group := range []struct {
		title, suffix string
		units         map[string]unitOptions
	}{{"initrd: ", ".service", e.InitrdServices}, {"", ".service", e.Services}, {"", ".timer", e.Timers}} {
		for _, name := range sorted(group.units) {
			fmt.Fprintf(&b, "== %s%s%s ==\n%s\n", group.title, name, group.suffix, group.units[name].text())
		}
	}
	same(t, "testdata/units.golden", b.String())

	b.Reset()
	for _, name := range sorted(e.Contents) {
		fmt.Fprintf(&b, "== initrd: %s ==\n%s\n", name, *e.Contents[name].Text)
	}
	for _, name := range sorted(e.Etc) {
		switch f := e.Etc[name]; {
		case f.Text != nil:
			fmt.Fprintf(&b, "== /etc/%s ==\n%s\n", name, *f.Text)
		default:
			fmt.Fprintf(&b, "== /etc/%s ==\nis testdata/%s\n\n", name, filepath.Base(*f.Source))
		}
	}
	rest, err := json.MarshalIndent(map[string]any{"specialisation": e.Specialisation, "storePaths": e.StorePaths,
		"supportedFilesystems": e.SupportedFilesystems, "packages": e.Packages}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "== rest ==\n%s\n", rest)
	same(t, "testdata/files.golden", b.String())
}

// systemd finds nothing wrong with the units.
func TestVerify(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		need.Missing(t, "systemd", "needs systemd-analyze")
	}
	e := evaluateOne(t, server)
	dir := t.TempDir()
	program := filepath.Join(dir, "coppice")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for suffix, units := range map[string]map[string]unitOptions{".service": e.Services, ".timer": e.Timers, ".initrd.service": e.InitrdServices} {
		for name, u := range units {
			text := strings.NewReplacer(store+"coppice/bin/coppice", program, store+"systemd/bin/", "/usr/bin/").Replace(u.text())
			file := filepath.Join(dir, name+strings.TrimPrefix(suffix, ".initrd"))
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if suffix == ".timer" { // and its service, which is named after it
				if err := os.WriteFile(filepath.Join(dir, name+".service"), []byte("[Service]\nExecStart="+program+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s%s: %v\n%s\n%s", name, suffix, err, out, text)
			}
		}
	}
}
