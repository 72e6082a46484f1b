package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/playbooks"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// TestUnitsAreValid lets systemd verify the units of each shipped playbook, with each kind of input that makes another unit of it.
func TestUnitsAreValid(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		need.Missing(t, "systemd", "needs systemd-analyze")
	}
	required := map[string]string{
		"backup": "-i target=/mnt/backup", "quiesced-snapshot": "-i units=db -i subvolumes=/srv", "restore-root": "-i from=snapshots/root/x",
	}
	variants := []string{
		"", "-i filesystem=/home/me/data", "-i filesystem=UUID=0a22ba77-b01d-4ed2-a3f7-502549b3cb0c", "-i metrics=/var/lib/node exporter/100%", "-i notify_url=@/hook",
		"-i ping_url=@/hook -i alertmanager=@/hook --tell /hook", "--calendar *-*-*|03:30:00", "-i scrub_speed=100MiB", "-i target=file:/srv/backup", "-i target=ssh://backup.example.org/srv",
	}
	for _, name := range playbooks.Names() {
		if name == "boot-rollback" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "hook"), []byte("ntfy://example.org/x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, v := range variants {
				args := []string{"install", name, "--root", dir, "--program", "/usr/bin/true", "--yes"}
				for _, word := range strings.Fields(strings.ReplaceAll(required[name]+" "+v, "node exporter", "node|exporter")) {
					args = append(args, strings.ReplaceAll(word, "|", " "))
				}
				code, _, errs := coppice(t, nil, args...)
				if code == exitInvalid && strings.Contains(errs, "has no input") {
					continue
				}
				if code != 0 {
					t.Fatalf("%s: exit code %d\n%s", v, code, errs)
				}
				units, err := filepath.Glob(filepath.Join(dir, "etc/systemd/system/coppice-*"))
				if err != nil || len(units) < 2 {
					t.Fatalf("%v, %v", units, err)
				}
				for i := range units { // a template is verified as one of its instances
					units[i] = strings.Replace(units[i], "@.service", "@x.service", 1)
				}
				out, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
				if err != nil || len(out) > 0 { // what is unknown is only warned of
					t.Errorf("%s: %v\n%s", v, err, out)
				}
				if code, _, errs := coppice(t, nil, "uninstall", "--root", dir, "--yes"); code != 0 {
					t.Fatalf("uninstall after %s: exit code %d\n%s", v, code, errs)
				}
			}
		})
	}
}
