package nixos

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const page = "../../../../docs/how-to/use-on-nixos.md"

var nixBlock = regexp.MustCompile("(?s)\n```nix( file=([a-z-]+\\.nix))?\n(.*?)\n```\n")

// pageFiles writes the Nix files of the how-to page into a folder.
func pageFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range nixBlock.FindAllStringSubmatch(string(data), -1) {
		if m[2] == "" {
			t.Fatalf("a block of Nix without file=NAME is not tried:\n%s", m[3])
		}
		found++
		write(t, filepath.Join(dir, m[2]), m[3]+"\n")
	}
	if found < 6 {
		t.Fatalf("only %d blocks", found)
	}
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// absolute is a path of this folder for an expression.
func absolute(t *testing.T, path string) string {
	t.Helper()
	all, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The flake of the page is one that gives a system.
func TestPageFlake(t *testing.T) {
	dir := pageFiles(t)
	data, err := os.ReadFile("testdata/nightly.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "nightly.yaml"), string(data))
	write(t, filepath.Join(dir, "configuration.nix"), `{ fileSystems."/" = { device = "/dev/sda2"; fsType = "btrfs"; }; }`)
	var got evaluated
	err = nix(t, fmt.Sprintf(`let %s
		page = import %s/flake.nix;
		system = { system, modules }: import %s { module = { }; configuration = { imports = modules; }; };
	in (page.outputs { coppice = outputs; nixpkgs.lib.nixosSystem = system; }).nixosConfigurations.server`,
		flake, dir, absolute(t, "testdata/eval.nix")), &got)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Failed) > 0 {
		t.Fatal(got.Failed)
	}
	if names := strings.Join(sorted(got.Result.Timers), " "); names != "coppice-backup coppice-monthly-maintenance coppice-nightly coppice-snapshot-rotation" {
		t.Errorf("timers: %s", names)
	}
}

// Step by step, the server of the page has a configuration without mistakes; and without one of the steps it has not.
func TestPageSteps(t *testing.T) {
	dir := pageFiles(t)
	const layout = `{
		services.coppice.enable = true;
		fileSystems = let on = subvolume: { device = "/dev/disk/by-label/server"; fsType = "btrfs"; options = [ "subvol=${subvolume}" ]; }; in {
			"/" = on "@"; "/home" = on "@home"; "/nix" = on "@nix";
			"/boot" = { device = "/dev/sda1"; fsType = "vfat"; };
		};
	}`
	const ownVar = `{ fileSystems."/var" = { device = "/dev/disk/by-label/server"; fsType = "btrfs"; options = [ "subvol=@var" ]; }; }`
	persist, rollback, withoutVar := dir+"/persist.nix", dir+"/rollback.nix", dir+"/var.nix"
	var all []string
	cases := []struct {
		modules []string
		want    string
	}{
		{[]string{layout, ownVar}, ""},
		{[]string{layout, ownVar, persist}, ""},
		{[]string{layout, ownVar, persist, rollback}, ""},
		{[]string{layout, persist, withoutVar}, ""},
		{[]string{layout, persist, withoutVar, rollback}, ""},
		{[]string{layout, persist, rollback}, "records of runs"},
		{[]string{layout, withoutVar, rollback}, "records of runs"},
		{[]string{dir + "/server-layout.nix"}, ""},
	}
	for _, c := range cases {
		all = append(all, "{ imports = [ "+strings.Join(c.modules, " ")+" ]; }")
	}
	got, err := evaluate(t, all...)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		failed := strings.Join(got[i].Failed, "\n")
		if (failed == "") != (c.want == "") || !strings.Contains(failed, c.want) {
			t.Errorf("%q: want %q, got %q", c.modules, c.want, failed)
		}
	}
}
