package subvolume

import (
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	for _, at := range []time.Time{fakeNow, fakeNow.Add(123456789), time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)} {
		stamp := StampOf(at.In(time.FixedZone("", 7200)))
		got, ok := ParseStamp(stamp)
		if !ok || !got.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%q is %v, %v", stamp, got, ok)
		}
	}
	if got := StampOf(fakeNow); got != "20261024T060000.000Z" {
		t.Errorf("the stamp is %q", got)
	}
	for _, bad := range []string{
		"", "20261024T060000Z", "20261024T060000.000", "20261024T060000.000Z ", "20261024T060000.000Z\n", "20261324T060000.000Z", "20260231T060000.000Z",
		"20261024T240000.000Z", "20261024T060060.000Z", "20261024T060000,000Z", "x20261024T060000.000Z", "20261024T060000.000z", "２0261024T060000.000Z",
	} {
		if _, ok := ParseStamp(bad); ok {
			t.Errorf("%q is a stamp", bad)
		}
	}
}

func TestAgrees(t *testing.T) {
	for late, want := range map[time.Duration]bool{
		0: true, time.Second: true, -5 * time.Minute: true, -5*time.Minute - 1: false, 24 * time.Hour: true, 24*time.Hour + 1: false,
	} {
		if agrees(fakeNow, fakeNow.Add(late)) != want {
			t.Errorf("created %v after the stamp: %v", late, !want)
		}
	}
}

func TestOtherToolNames(t *testing.T) {
	for name, want := range map[string]bool{
		"root.20260101": true, "root.20260101T1200": true, "root.20260101T120000+0100": true, "root.20260101T120000-0330_2": true,
		"a.b.20260101_1": true, "root.20260101T120000Z": true, "20260101": false, ".20260101": false, "root.2026010": false,
		"root.20260101x": false, "root.20260101T12": false, "20261024T060000.000Z": false,
	} {
		if btrbkName(name) != want {
			t.Errorf("btrbk: %q is %v", name, !want)
		}
	}
	for name, want := range map[string]bool{"1": true, "0815": true, "": false, "1a": false, "20261024T060000.000Z": false} {
		if snapperName(name) != want {
			t.Errorf("snapper: %q is %v", name, !want)
		}
	}
}

func TestFolderOf(t *testing.T) {
	for source, want := range map[string]string{"root": "root", "a/b": "a-b", "/a/b": "a-b", ".x": ".x"} {
		if got := FolderOf(source); got != want {
			t.Errorf("the folder of %q is %q", source, got)
		}
	}
}
