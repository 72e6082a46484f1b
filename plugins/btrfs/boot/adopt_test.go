package boot

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/rig"
)

func TestTimeIn(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]string{
		"2026-11-2_07:15:33":                    "2026-11-02T07:15:33Z", // impermanence's %-d
		"2026-11-02_07:15:33":                   "2026-11-02T07:15:33Z",
		"2026-11-02T07:15:33Z":                  "2026-11-02T07:15:33Z",
		"root-20261102T071533Z":                 "2026-11-02T07:15:33Z",
		"root-20261102-071533":                  "2026-11-02T07:15:33Z",
		"root2-2026-11-02":                      "2026-11-02T00:00:00Z",
		"20261102":                              "2026-11-02T00:00:00Z",
		"root-2027-01-01":                       "", // is to come
		"1970-01-01_00:00:12":                   "", // a clock without a battery
		"root.old":                              "",
		"before-upgrade-13":                     "",
		"root-000001-20261102T071533Z-1a2b3c4d": "", // more than a time is behind it
		"":                                      "",
	} {
		at, told := timeIn(name, now)
		if told != (want != "") || told && at.Format(time.RFC3339) != want || !told && !at.Equal(now) {
			t.Errorf("%s: %v %v, want %s", name, at, told, want)
		}
	}
}

// TestAdopt: what the scripts of others have left is taken in, if it is a subvolume.
func TestAdopt(t *testing.T) {
	t.Parallel()
	r := newRig(t, loopfs.Options{})
	r.sh(`btrfs -q subvolume create root; mkdir old_roots
		for n in 2026-01-01_03:04:05 2026-01-02_03:04:05 mine blank; do btrfs -q subvolume create old_roots/$n; echo $n >old_roots/$n/mark; done
		btrfs -q subvolume create old_roots/mine/nested
		mkdir -p old_roots/2026-01-03_03:04:05/etc; echo folder >old_roots/2026-01-03_03:04:05/mark`)
	status := func() StatusOutput {
		t.Helper()
		plan := r.Plan(r.request("boot_status", nil))
		return rig.Outputs[StatusOutput](t, plan.Outputs)
	}
	if s := status(); len(s.Foreign) != 5 || len(s.Archives) != 0 {
		t.Errorf("%s", rig.Show(s))
	}
	for name, want := range map[string]string{
		"2026-01-03_03:04:05": `"2026-01-03_03:04:05" is a folder, not a subvolume`,
		"nothing":             `there is no subvolume "nothing" directly in "old_roots"`,
		"mine/nested":         `there is no subvolume "mine/nested" directly in "old_roots"`,
		"root":                `there is no subvolume "root" directly in "old_roots"`,
	} {
		r.Refuses(r.request("boot_adopt", rig.Inputs{"subvolumes": []string{name}}), strings.TrimPrefix(want, `"2026-01-03_03:04:05" `))
	}
	adopt := func(in rig.Inputs) []string {
		t.Helper()
		_, result := r.Run(r.request("boot_adopt", in))
		return rig.Outputs[AdoptOutput](t, result.Outputs).Adopted
	}
	rig.Same(t, "one by its UUID", adopt(rig.Inputs{"subvolumes": []string{r.UUIDOf("old_roots/2026-01-01_03:04:05")}}), []string{"old_roots/2026-01-01_03:04:05"})
	rig.Same(t, "the others", adopt(rig.Inputs{"blank": "old_roots/blank"}), []string{"old_roots/2026-01-02_03:04:05", "old_roots/mine"})
	rig.Same(t, "again", adopt(rig.Inputs{"blank": "old_roots/blank"}), []string{})
	s := status()
	slices.Sort(s.Foreign)
	rig.Same(t, "foreign", s.Foreign, []string{"old_roots/2026-01-03_03:04:05", "old_roots/blank"})
	var shown []string
	for _, a := range s.Archives {
		if !a.Adopted || a.Trusted {
			t.Errorf("%+v", a)
		}
		shown = append(shown, a.Path)
	}
	rig.Same(t, "the newest first", shown, []string{"old_roots/mine", "old_roots/2026-01-02_03:04:05", "old_roots/2026-01-01_03:04:05"})

	// However old they are by their names, their age counts from a boot with a clock to believe.
	out := rig.Outputs[ExpiredOutput](t, r.Plan(r.request("boot_expired", rig.Inputs{"retention": "1d", "keep_at_least": 0, "clock": "rtc"})).Outputs)
	if len(out.Subvolumes) != 0 || out.Why != "this boot is not confirmed yet" {
		t.Errorf("%s", rig.Show(out))
	}
	r.Run(r.request("boot_confirm", nil))
	r.Run(r.request("boot_tidy", rig.Inputs{"clock": "rtc"}))
	out = rig.Outputs[ExpiredOutput](t, r.Plan(r.request("boot_expired", rig.Inputs{"retention": "1d", "keep_at_least": 0, "clock": "rtc"})).Outputs)
	if len(out.Subvolumes) != 0 || len(out.Archives) != 3 || !strings.HasPrefix(out.Archives[1].Keep, "until ") {
		t.Errorf("%s", rig.Show(out))
	}
	if _, err := os.Stat(r.FS.Path("old_roots/2026-01-03_03:04:05/mark")); err != nil {
		t.Error(err)
	}
}
