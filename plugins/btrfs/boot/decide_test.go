package boot

import (
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
)

var instant = time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)

func plainScene() scene {
	return scene{UUID: "u", Name: "u", Room: 1 << 30, State: state{Schema: schema}, Archive: things["folder"],
		Members: []member{{Place: "cache", Now: subvolumeOf(idThird, kernel.UUID{})}, {Place: "root", Now: things["old"]}},
		Blank:   subvolumeOf(idFrom, kernel.UUID{})}
}

func plainInput() RollbackInput {
	return RollbackInput{Source: Source{Root: "root", Blank: "blank", Reset: []string{"cache"}, Archive: "old_roots"}, FallBack: 3}
}

var plainBoot = circumstances{Boot: "00000002-0000", Release: "6.18"}

func told(d decision, trips []trip) string {
	var b strings.Builder
	b.WriteString(d.Result + ": " + d.Why)
	for _, t := range trips {
		b.WriteString("; " + t.Words)
	}
	return b.String()
}

func TestDecide(t *testing.T) {
	good := subvolumeOf(kernel.UUID{9}, kernel.UUID{})
	good.Path = "old_roots/good"
	for name, c := range map[string]struct {
		change func(*circumstances, *scene, *RollbackInput)
		want   string // what is told
		clears bool   // nothing is exchanged
	}{
		"plain":          {func(*circumstances, *scene, *RollbackInput) {}, "rolled-back: ", false},
		"this boot":      {func(_ *circumstances, s *scene, _ *RollbackInput) { s.State.Last.Boot = plainBoot.Boot }, "done: ", true},
		"held":           {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Held = true }, "skipped: switched off by .coppice/hold", true},
		"skip":           {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Skip = true }, "skipped: this boot was asked", true},
		"off":            {func(_ *circumstances, s *scene, _ *RollbackInput) { s.State.Off = &off{Why: "for a reason"} }, "skipped: for a reason", true},
		"problem":        {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Problem = kernel.ErrBusy }, "busy", true},
		"read-only":      {func(_ *circumstances, s *scene, _ *RollbackInput) { s.ReadOnly = true }, "is read-only", true},
		"full":           {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Room = 1 << 20 }, "is full", true},
		"mounted":        {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[1].Mounted = "mounted at /" }, `"root" is mounted at /`, true},
		"cache mounted":  {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[0].Mounted = "mounted at /c" }, `"cache" is mounted at /c`, true},
		"default":        {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[1].Default = true }, "default subvolume", true},
		"ro root":        {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[1].Now.ReadOnly = true }, "so it can't be moved", true},
		"sealed":         {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[1].Sealed = "x" }, `in the subvolume "x", which is read-only`, true},
		"folder as root": {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[1].Now = things["folder"] }, "not a subvolume", true},
		"link as root":   {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[1].Now = things["link"] }, "not a subvolume", true},
		"archive file": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Archive = presence{Found: true, Kind: kernel.EntryFile}
		}, "not a folder", true},
		"archive in": {func(_ *circumstances, _ *scene, in *RollbackInput) { in.Archive = "root/old" }, "lies in \"root\", which would be archived", true},
		"blank in":   {func(_ *circumstances, _ *scene, in *RollbackInput) { in.Blank = "root/blank" }, "lies in \"root\", which would be archived", true},
		"no blank":   {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Blank = presence{} }, `there is no subvolume "blank"`, true},
		"no cache":   {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[0].Now = presence{} }, "rolled-back: ", false},
		"adrift": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Members[0] = member{Place: "x/cache", Adrift: true}
		}, "nor a place for one", true},
		"identity":     {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Loses = []string{"etc/machine-id"} }, "would go with the root: etc/machine-id", true},
		"empty system": {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Present = bootable{System: true, Init: true} }, "would not start", true},
		"nixos": {func(_ *circumstances, s *scene, in *RollbackInput) {
			in.Blank, s.Blank, s.Present = "", presence{}, bootable{Nix: true, System: true, Init: true}
		}, "rolled-back: ", false},
		"nix init": {func(c *circumstances, s *scene, in *RollbackInput) {
			c.Cmdline = parseCmdline("init=/nix/store/x/init")
			s.Present = bootable{System: true}
		}, "rolled-back: ", false},
		"old modules": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Present, s.Clean = bootable{System: true, Init: true, Modules: true}, bootable{System: true, Init: true}
		}, "no modules of the kernel 6.18", true},
		"no init": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Present, s.Clean = bootable{System: true, Init: true}, bootable{System: true}
		}, "has no /sbin/init", true},
		"wrong root": {func(c *circumstances, s *scene, _ *RollbackInput) {
			c.Initrd, c.HasRoot, c.Root = true, true, rootSource{From: "x", Device: "/dev/sda"}
		}, "not on this filesystem", true},
		"elsewhere, not in an initrd": {func(c *circumstances, s *scene, _ *RollbackInput) { c.HasRoot, c.Root = true, rootSource{From: "x"} }, "rolled-back: ", false},
		"by id": {func(c *circumstances, s *scene, _ *RollbackInput) {
			c.HasRoot, s.SameRoot, c.Root = true, true, rootSource{From: "x", ByID: "256", Named: true, Subvolume: "root"}
		}, "subvolid=256", true},
		"no subvol=": {func(c *circumstances, s *scene, _ *RollbackInput) { c.HasRoot, s.SameRoot = true, true }, "says no subvol=", true},
		"other subvol=": {func(c *circumstances, s *scene, _ *RollbackInput) {
			c.HasRoot, s.SameRoot, c.Root = true, true, rootSource{From: "x", Named: true, Subvolume: "@"}
		}, `mounts the subvolume "@" as the root`, true},
		"conflict": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.State.Intent = &intent{Boot: "00000001-x", Root: "root", Places: []intentMember{{Place: "root", Archive: "a", Old: idOther, New: idNew}}}
			s.Intent = []seen{{things["old"], things["nothing"]}}
		}, "was cut off, and what is at \"root\"", true},
		"fall back": {func(_ *circumstances, s *scene, _ *RollbackInput) { s.State.Unconfirmed, s.Good = 3, good }, "fell-back: 3 boots in a row", false},
		"never fall back": {func(_ *circumstances, s *scene, in *RollbackInput) {
			s.State.Unconfirmed, s.Good, in.FallBack = 9, good, 0
		}, "rolled-back: ", false},
		"nothing to fall back to": {func(_ *circumstances, s *scene, _ *RollbackInput) { s.State.Unconfirmed = 9 }, "rolled-back: ", false},
		"root missing":            {func(_ *circumstances, s *scene, _ *RollbackInput) { s.Members[1].Now = presence{} }, "rolled-back: ", false},
		"root missing, off": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Members[1].Now, s.State.Off, s.Previous = presence{}, &off{}, good
		}, `fell-back: there was no "root"`, false},
		"root and blank missing": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Members[1].Now, s.Blank, s.Good = presence{}, presence{}, good
		}, `fell-back: there was no "root"`, false},
		"all missing": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Members[1].Now, s.Blank = presence{}, presence{}
		}, "there is no subvolume", true},
		"use": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Use, s.Staged = &use{Staged: idNew, Of: "x", Place: "root"}, things["new"]
		}, "used: x was asked for", false},
		"use once, although off": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Use, s.Staged, s.State.Off = &use{Staged: idNew, Of: "x", Place: "root", Once: true}, things["new"], &off{}
		}, "used-once: x was asked for", false},
		"use what is gone": {func(_ *circumstances, s *scene, _ *RollbackInput) {
			s.Use = &use{Staged: idNew, Of: "x", Place: "root"}
		}, "is not there any more", true},
	} {
		boot, s, in := plainBoot, plainScene(), plainInput()
		c.change(&boot, &s, &in)
		d, trips := decide(boot, s, in, instant)
		if got := told(d, trips); !strings.Contains(got, c.want) || (d.Intent == nil || len(trips) > 0) != c.clears {
			t.Errorf("%s: %s\nexpected %q; exchanges: %v", name, got, c.want, d.Intent != nil)
		}
	}
}

func TestNames(t *testing.T) {
	d, _ := decide(plainBoot, plainScene(), plainInput(), instant)
	if len(d.Intent.Places) != 2 || d.Intent.Places[1].Archive != "old_roots/root-000001-20261125T060000Z-00000002" || d.Intent.Places[1].Place != "root" {
		t.Errorf("%+v", d.Intent)
	}
	if n := nameOf("var/cache", 1234567, instant, "abcdef01-2345"); n != "var-cache-1234567-20261125T060000Z-abcdef01" {
		t.Error(n)
	}
}
