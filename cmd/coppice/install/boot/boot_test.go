package boot

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/cmd/coppice/install"
	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// example are options for a generator.
func example(g Generator) Options {
	return Options{Initrd: g, Program: "/usr/local/bin/coppice", Configs: "/etc/coppice", Root: "UUID=1b1b0000-aaaa-bbbb-cccc-0123456789ab", ConfirmAfter: "3min"}
}

func TestFiles(t *testing.T) {
	const confirm = " /etc/systemd/system/coppice-boot-confirm.service:644 /etc/systemd/system/coppice-boot-confirm.timer:644 /etc/systemd/system/timers.target.wants/coppice-boot-confirm.timer:link"
	for g, want := range map[Generator]string{
		Dracut: "/usr/lib/dracut/modules.d/55coppice/module-setup.sh:755 /usr/lib/dracut/modules.d/55coppice/coppice-boot-rollback.service:644 " +
			"/usr/lib/dracut/modules.d/55coppice/coppice-boot-rollback.sh:755",
		InitramfsTools: "/etc/initramfs-tools/hooks/coppice:755 /etc/initramfs-tools/scripts/local-premount/coppice:755",
		Mkinitcpio: "/etc/initcpio/install/coppice:644 /etc/initcpio/hooks/coppice:644 /etc/initcpio/coppice-boot-rollback.service:644 " +
			"/etc/mkinitcpio.conf.d/90-coppice.conf:644",
	} {
		o := example(g)
		files, err := Files(o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			mode := strings.TrimPrefix(modeOf(f), "0")
			got = append(got, f.Path+":"+mode)
			if i := strings.Index(f.Content, "@"); i >= 0 && strings.Count(f.Content[i:], "@") > 1 && !strings.Contains(f.Content, `"${host_fs_types[@]}"`) {
				t.Errorf("%s: a placeholder is left in it:\n%s", f.Path, f.Content)
			}
		}
		if text := strings.Join(got, " "); text != want+confirm {
			t.Errorf("%s: got\n%s\nwant\n%s", g, text, want+confirm)
		}
		o.ConfirmAfter = ""
		if files, err := Files(o); err != nil || strings.Contains(files[len(files)-1].Path, "confirm") {
			t.Errorf("%s: without a time there is a unit that confirms: %v", g, err)
		}
		var paths []string
		for _, f := range files {
			paths = append(paths, f.Path)
		}
		if got := GeneratorOf(paths); got != g {
			t.Errorf("%s: its files are taken for those of %q", g, got)
		}
		if len(g.Regenerate()) == 0 {
			t.Errorf("%s: nothing makes its images anew", g)
		}
	}
}

func modeOf(f install.File) string {
	if f.Mode&fs.ModeSymlink != 0 {
		return "link"
	}
	return strings.TrimPrefix(string([]byte{'0' + byte(f.Mode>>6&7), '0' + byte(f.Mode>>3&7), '0' + byte(f.Mode&7)}), "0")
}

// TestRefused: what can't stand in a script as it is, or can't be right.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"generator":     func(o *Options) { o.Initrd = "mkinitrd" },
		"relative":      func(o *Options) { o.Program = "coppice" },
		"space":         func(o *Options) { o.Program = "/opt/my tools/coppice" },
		"substitution":  func(o *Options) { o.Program = "/opt/$(reboot)" },
		"configs":       func(o *Options) { o.Configs = "/etc/../etc/coppice" },
		"root":          func(o *Options) { o.Root = "tank" },
		"root line":     func(o *Options) { o.Root = "LABEL=a\nExecStart=/bin/false" },
		"root nothing":  func(o *Options) { o.Root = "UUID=" },
		"root relative": func(o *Options) { o.Root = "/dev/../etc/passwd" },
		"after":         func(o *Options) { o.ConfirmAfter = "soon" },
		"after line":    func(o *Options) { o.ConfirmAfter = "3min\nUnit=reboot.target" },
	} {
		o := example(Dracut)
		change(&o)
		if files, err := Files(o); err == nil {
			t.Errorf("%s: %+v gave %d files", name, o, len(files))
		}
	}
}

// TestDevice holds the names of device units against systemd-escape.
func TestDevice(t *testing.T) {
	if _, err := exec.LookPath("systemd-escape"); err != nil {
		need.Missing(t, "systemd", "needs systemd-escape")
	}
	for root, node := range map[string]string{
		"UUID=1b1b0000-aaaa-bbbb-cccc-0123456789ab": "/dev/disk/by-uuid/1b1b0000-aaaa-bbbb-cccc-0123456789ab",
		"LABEL=tank":                        "/dev/disk/by-label/tank",
		"LABEL=my tank/1":                   `/dev/disk/by-label/my\x20tank\x2f1`,
		"LABEL=größe":                       "/dev/disk/by-label/größe",
		`LABEL="quoted"`:                    "/dev/disk/by-label/quoted",
		"PARTUUID=5a5a-01":                  "/dev/disk/by-partuuid/5a5a-01",
		"PARTLABEL=root.1":                  "/dev/disk/by-partlabel/root.1",
		"/dev/mapper/crypt_":                "/dev/mapper/crypt_",
		"/dev/vda":                          "/dev/vda",
		"/dev/disk/by-id/ata-X.Y_Z:0-part2": "/dev/disk/by-id/ata-X.Y_Z:0-part2",
	} {
		got, err := deviceNode(root)
		if err != nil || got != node {
			t.Errorf("%s: got %s, %v; want %s", root, got, err, node)
		}
	}
	for _, path := range []string{"/dev/disk/by-uuid/1b1b-22", "/dev/mapper/crypted", `/dev/disk/by-label/my\x20tank`, "/dev/disk/by-label/größe", "/.hidden/x", "/", "/a//b/", "/dev/%n"} {
		out, err := exec.Command("systemd-escape", "--path", "--", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(string(out), "\n"); UnitName(path) != want {
			t.Errorf("%s: got %s, systemd-escape has %s", path, UnitName(path), want)
		}
	}
}

// put writes the files below a folder.
func put(t *testing.T, dir string, files []install.File) {
	t.Helper()
	for _, f := range files {
		at := filepath.Join(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if f.Mode&fs.ModeSymlink != 0 {
			err = os.Symlink(f.Content, at)
		} else {
			err = os.WriteFile(at, []byte(f.Content), f.Mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
