package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// TestInstallIntoWhatIsReplaced: what the rollback at boot would take away again is not installed.
func TestInstallIntoWhatIsReplaced(t *testing.T) {
	t.Parallel()
	fs := loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})
	if err := history.Create(t.Context(), fs, []string{"root", "cache", "persist"}); err != nil {
		t.Fatal(err)
	}
	for subvolume, replaced := range map[string]bool{"root": true, "cache": true, "persist": false} {
		configs := fs.Path(subvolume, "etc/coppice")
		if err := os.MkdirAll(filepath.Join(configs, "inputs"), 0o755); err != nil {
			t.Fatal(err)
		}
		install := func(flags ...string) (int, string) {
			// --print: whatever comes of it, nothing of this machine is written.
			code, _, errs := coppice(t, []string{"COPPICE_CONFIG_DIR=" + configs}, append([]string{"install", "snapshot-rotation", "--print", "-i", "filesystem=" + fs.Mount}, flags...)...)
			return code, errs
		}
		if code, errs := install(); code != exitOK {
			t.Errorf("%s, without a rollback: exit code %d\n%s", subvolume, code, errs)
		}
		inputs := "filesystem: " + fs.Mount + "\nroot: root\nreset: [cache]\n"
		if err := os.WriteFile(filepath.Join(configs, "inputs/boot-rollback.yaml"), []byte(inputs), 0o644); err != nil {
			t.Fatal(err)
		}
		code, errs := install()
		if said := strings.Contains(errs, "is on the subvolume "+subvolume+", which the rollback at boot replaces"); said != replaced || (code == exitFailed) != replaced {
			t.Errorf("%s: exit code %d\n%s", subvolume, code, errs)
		}
		if code, errs := install("--force"); code != exitOK || strings.Contains(errs, "warning: ") != replaced {
			t.Errorf("%s, by force: exit code %d\n%s", subvolume, code, errs)
		}
	}
}
