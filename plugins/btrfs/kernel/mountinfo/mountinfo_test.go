package mountinfo_test

import (
	"strings"
	"testing"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel/mountinfo"
)

const sample = `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
50 27 0:52 /a\040b\134x /mnt/with\011tab\012line rw,relatime shared:7 master:3 propagate_from:2 - btrfs /dev/loop\0433 ro,ssd,subvolid=256,subvol=/a\040b,subvolid=9,rw
51 27 0:53 /c//deleted /mnt/c ro - btrfs /dev/sda rw,subvolid=5,subvol=/
52 27 0:54 / /mnt/- rw - fuse.- - rw
53 27 0:55 / /e rw -  none rw
`

func TestParse(t *testing.T) {
	all, err := mountinfo.Parse(strings.NewReader(sample))
	if err != nil || len(all) != 5 {
		t.Fatalf("%d mounts, %v", len(all), err)
	}
	if m := all[0]; m.ID != 36 || m.ParentID != 35 || m.Major != 98 || m.Minor != 0 || m.Root != "/mnt1" || m.MountPoint != "/mnt2" ||
		m.Options != "rw,noatime" || m.FSType != "ext3" || m.Source != "/dev/root" || m.SuperOptions != "rw,errors=continue" || m.ReadOnly() {
		t.Errorf("%+v", m)
	}
	m := all[1]
	if m.Root != `/a b\x` || m.MountPoint != "/mnt/with\ttab\nline" || m.Source != "/dev/loop#3" || !m.ReadOnly() {
		t.Errorf("%+v", m)
	}
	// A comma in the name of a subvolume is not escaped: what stands behind it is not an option.
	if v, ok := m.SuperOption("subvolid"); v != "256" || !ok {
		t.Errorf("subvolid is %q, %v", v, ok)
	}
	if v, ok := m.SuperOption("subvol"); v != "/a b" || !ok {
		t.Errorf("subvol is %q, %v", v, ok)
	}
	if v, ok := m.SuperOption("rw"); v != "" || ok {
		t.Errorf("rw is %q, %v", v, ok)
	}
	if m := all[2]; m.ReadOnly() || m.Root != "/c//deleted" {
		t.Errorf("%+v", m)
	}
	if m := all[3]; m.MountPoint != "/mnt/-" || m.FSType != "fuse.-" || m.Source != "-" {
		t.Errorf("%+v", m)
	}
	if m := all[4]; m.FSType != "" || m.Source != "none" {
		t.Errorf("%+v", m)
	}
}

func TestParseRejects(t *testing.T) {
	for _, line := range []string{
		"nonsense",
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 ext3 /dev/root rw",
		"x 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root rw",
		"36 x 98:0 /mnt1 /mnt2 rw - ext3 /dev/root rw",
		"36 35 98 /mnt1 /mnt2 rw - ext3 /dev/root rw",
		"36 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root",
	} {
		if all, err := mountinfo.Parse(strings.NewReader(line)); err == nil {
			t.Errorf("%q: %+v", line, all)
		} else if !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestSelf(t *testing.T) {
	all, err := mountinfo.Self()
	if err != nil || len(all) == 0 {
		t.Errorf("%d mounts, %v", len(all), err)
	}
}

// FuzzParse: a parsed line, printed and parsed again, is the same.
func FuzzParse(f *testing.F) {
	for line := range strings.Lines(sample) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := mountinfo.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(all) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d mounts in %q", len(all), text)
		}
		var printed strings.Builder
		for _, m := range all {
			printed.WriteString(m.String() + "\n")
			m.SuperOption("subvolid")
		}
		again, err := mountinfo.Parse(strings.NewReader(printed.String()))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%q: %d mounts, %v", printed.String(), len(again), err)
		}
		for i := range all {
			if all[i] != again[i] {
				t.Errorf("%+v\n%+v", all[i], again[i])
			}
		}
	})
}
