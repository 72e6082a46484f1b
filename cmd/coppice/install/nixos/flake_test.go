package nixos

import (
	"os"
	"strings"
	"testing"
)

// flake has the outputs of the flake, with inputs that stand for the real ones.
const flake = `
	lib = import ./testdata/lib.nix;
	self = { shortRev = "1a2b3c4"; };
	nixpkgs = {
		lib.genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
		legacyPackages.x86_64-linux = import ./testdata/pkgs.nix;
		legacyPackages.aarch64-linux = import ./testdata/pkgs.nix;
	};
	flake = import ../../../../flake.nix;
	outputs = flake.outputs { inherit self nixpkgs; };
`

func TestFlake(t *testing.T) {
	var got struct {
		Inputs   []string
		Outputs  []string
		Systems  []string
		Packages []string
		Given    struct {
			Version, Pname, VendorHash string
			Src                        string
			SubPackages, Tags, Ldflags []string
		}
	}
	err := nix(t, `let`+flake+`
		given = outputs.packages.x86_64-linux.default.given;
	in {
		inputs = builtins.attrNames flake.inputs;
		outputs = builtins.attrNames outputs;
		systems = builtins.attrNames outputs.packages;
		packages = builtins.attrNames outputs.packages.aarch64-linux;
		given = { inherit (given) version pname vendorHash subPackages tags ldflags; src = toString given.src; };
	}`, &got)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := os.ReadFile("../../tags")
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"inputs":   {strings.Join(got.Inputs, " "), "nixpkgs"},
		"outputs":  {strings.Join(got.Outputs, " "), "nixosModules packages"},
		"systems":  {strings.Join(got.Systems, " "), "aarch64-linux x86_64-linux"},
		"packages": {strings.Join(got.Packages, " "), "coppice default"},
		"name":     {got.Given.Pname + " " + got.Given.Version, "coppice 0.0.0-dev-1a2b3c4"},
		"programs": {strings.Join(got.Given.SubPackages, " "), "cmd/coppice"},
		"tags":     {strings.Join(got.Given.Tags, ",") + "\n", string(tags)},
		"release":  {got.Given.Ldflags[len(got.Given.Ldflags)-1], "-X main.release=0.0.0-dev-1a2b3c4"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, not %q", what, pair[0], pair[1])
		}
	}
	if _, err := os.Stat(got.Given.Src + "/go.mod"); err != nil {
		t.Errorf("the package's source is not the project: %v", err)
	}
	if !vendorHash.MatchString(`vendorHash = "` + got.Given.VendorHash + `";`) {
		t.Errorf("vendorHash is %q", got.Given.VendorHash)
	}
}

// The flake's module is the module, and its package the flake's.
func TestFlakeModule(t *testing.T) {
	var got evaluated
	err := nix(t, `let`+flake+`in import ./testdata/eval.nix {
		configuration = { imports = [ outputs.nixosModules.default ./testdata/server.nix ]; };
		module = { };
	}`, &got)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Failed) > 0 || got.Result.StorePaths[0] != store+"coppice/bin/coppice" {
		t.Errorf("%+v", got)
	}
}
