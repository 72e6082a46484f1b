package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/volume"
)

func TestCmdline(t *testing.T) {
	p := parseCmdline("root=UUID=x \"a b=c d\" quiet coppice.rollback=0 coppice.rollback=1 -- root=y\n")
	if fmt.Sprintf("%q", p) != `["root=UUID=x" "a b=c d" "quiet" "coppice.rollback=0" "coppice.rollback=1"]` {
		t.Errorf("%q", p)
	}
	if v, _ := p.last("coppice.rollback"); v != "1" || !p.on("quiet") || p.on("loud") {
		t.Error(v)
	}
}

func TestRootOf(t *testing.T) {
	const fstab = "# x\nUUID=a /sysroot btrfs subvol=/root,compress=zstd 0 0\n/dev/b /sysroot/nix btrfs subvol=nix\n"
	for line, want := range map[string]string{
		"root=UUID=a rootflags=subvol=@root,noatime rootfstype=btrfs": "the kernel's command line UUID=a btrfs @root true ",
		"root=/dev/vda rootflags=subvolid=256,subvol=/@":              "the kernel's command line /dev/vda  @ true 256",
		"root=/dev/vda": "the kernel's command line /dev/vda   false ",
		"root=fstab":    "the initrd's fstab UUID=a btrfs root true ",
		"":              "the initrd's fstab UUID=a btrfs root true ",
	} {
		r, found := rootOf(parseCmdline(line), fstab)
		if got := fmt.Sprint(r.From, " ", r.Device, " ", r.Type, " ", r.Subvolume, " ", r.Named, " ", r.ByID); !found || got != want {
			t.Errorf("%s: %q, expected %q", line, got, want)
		}
	}
	if _, found := rootOf(parseCmdline("quiet"), "/dev/b / btrfs subvol=x 0 0\n"); found {
		t.Error("found")
	}
}

// Everything for which the filesystem is not even opened.
func TestCircumstances(t *testing.T) {
	for name, c := range map[string]struct {
		cmdline string
		files   map[string]string
		want    string
		meant   bool
	}{
		"nothing":    {"quiet root=UUID=x", nil, "", true},
		"parameter":  {"coppice.rollback=0", nil, "coppice.rollback=0", true},
		"and not":    {"coppice.rollback=0 coppice.rollback=1", nil, "", true},
		"hold":       {"coppice.hold", nil, "switched off by coppice.hold", true},
		"hold file":  {"", map[string]string{"hold": ""}, "hold", true},
		"crash":      {"", map[string]string{"proc/vmcore": ""}, "crashed", true},
		"crash too":  {"elfcorehdr=0x1000", nil, "crashed", true},
		"live":       {"rd.live.image", nil, "live medium", true},
		"live too":   {"boot=live", nil, "live medium", true},
		"live again": {"root=live:CDLABEL=x", nil, "live medium", true},
		"volatile":   {"systemd.volatile=yes", nil, "volatile", true},
		"not so":     {"systemd.volatile=no rd.live.image=0", nil, "", true},
		"ext4":       {"root=/dev/sda rootfstype=ext4", map[string]string{"etc/initrd-release": ""}, "type ext4", false},
		"debian":     {"root=/dev/sda rootfstype=ext4", map[string]string{"conf/initramfs.conf": "", "scripts/functions": ""}, "type ext4", false},
		"dracut":     {"quiet", map[string]string{"etc/initrd-release": "", "etc/cmdline.d/20.conf": " root=/dev/sda\n# root=/dev/sdb\nrootfstype=ext4\n"}, "type ext4", false},
		"dracut too": {"rootfstype=btrfs", map[string]string{"etc/initrd-release": "", "etc/cmdline": "root=/dev/sda rootfstype=ext4\n"}, "", true},
		"up":         {"root=/dev/sda rootfstype=ext4", map[string]string{"etc/cmdline.d/20.conf": ""}, "", true},
		"asleep":     {"resume=/dev/swap", map[string]string{"dev/swap": page("S1SUSPEND\x00")}, "hibernates", false},
		"awake":      {"resume=/dev/swap", map[string]string{"dev/swap": page("SWAPSPACE2")}, "", true},
		"gone":       {"resume=/dev/swap", nil, "", true},
		"short":      {"resume=/dev/swap", map[string]string{"dev/swap": "x"}, "nobody can tell", false},
		"not now":    {"resume=/dev/swap noresume", map[string]string{"dev/swap": page("S1SUSPEND\x00")}, "", true},
		"by uuid":    {"resume=UUID=AB", map[string]string{"dev/disk/by-uuid/ab": page("S1SUSPEND\x00")}, "hibernates", false},
		"the kernel": {"", map[string]string{"sys/power/resume": "8:3\n", "sys/power/resume_offset": "1\n", "dev/block/8:3": page("") + page("ULSUSPEND\x00")}, "hibernates", false},
		"a file":     {"resume=/dev/swap resume_offset=1", map[string]string{"dev/swap": page("") + page("S1SUSPEND\x00")}, "hibernates", false},
		"firmware":   {"", map[string]string{"sys/firmware/efi/efivars/HibernateLocation-8cf2644b-4b0b-428f-9387-6d876050dc67": ""}, "HibernateLocation", false},
	} {
		dir := t.TempDir()
		m := machine{Host: volume.Host{HoldFile: filepath.Join(dir, "hold"), Cmdline: filepath.Join(dir, "cmdline"), Clock: func() (string, error) { return "", nil }}, root: dir}
		files := map[string]string{"cmdline": c.cmdline, "proc/sys/kernel/random/boot_id": "00000001-0000"}
		for path, content := range c.files {
			files[path] = content
		}
		for path, content := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		now, err := m.circumstances()
		if err != nil {
			t.Fatal(err)
		}
		got, meant := "", true
		for _, trip := range now.trips() {
			got += trip.Words + "; "
			meant = meant && trip.Meant
		}
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") || meant != c.meant {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}

// page is one page of swap space with this at its end.
func page(end string) string {
	return strings.Repeat("\x00", os.Getpagesize()-len(end)) + end
}
