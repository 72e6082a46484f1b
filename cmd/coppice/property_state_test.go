package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hbohlen/coppice/plugins/btrfs/kernel"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs"
	"github.com/hbohlen/coppice/plugins/btrfs/loopfs/history"
)

// scene is a filesystem in a random state.
type scene struct {
	mounted map[string]bool // snapshots, by UUID
	t       *testing.T
	r       *rand.Rand
	fs      *loopfs.Filesystem
	sources []string // subvolumes
	told    []string // what was done, for who has to find out
}

// oddNames are those of subvolumes at the top level.
var oddNames = []string{"root", "persist", "a b", "käse", "-dash", `quote'"$x`, "new\nline", "semi;colon", "${{ x }}", "20200101T000000.000Z"}

func newScene(t *testing.T, r *rand.Rand) *scene {
	s := &scene{t: t, r: r, fs: loopfs.ForTest(t, loopfs.Options{Size: 256 << 20})}
	for _, i := range r.Perm(len(oddNames))[:2+r.IntN(3)] {
		s.sources = append(s.sources, oddNames[i])
	}
	all := slices.Clone(s.sources)
	if s.chance(2) { // nested
		all = append(all, s.sources[0]+"/inner")
	}
	if s.chance(2) {
		all = append(all, s.sources[1]+"/var", s.sources[1]+"/var/lib")
	}
	if s.chance(4) { // where snapshots go, a subvolume itself
		all = append(all, "snapshots")
	}
	s.must(history.Create(context.Background(), s.fs, all))
	s.sources = slices.DeleteFunc(all, func(p string) bool { return p == "snapshots" })
	s.must(os.MkdirAll(s.fs.Path("plain", "folder"), 0o755))

	// A past: instants from minutes to years ago.
	var instants []time.Time
	age := time.Duration(0)
	for range r.IntN(9) {
		age += time.Duration(float64(time.Minute) * float64(int(1)<<r.IntN(18)) * (1 + r.Float64()))
		instants = append(instants, time.Now().Add(-age))
	}
	slices.SortFunc(instants, func(a, b time.Time) int { return a.Compare(b) })
	if len(instants) > 0 {
		s.must(history.Take(context.Background(), s.fs, s.some(s.sources), instants))
		s.tell("past: %d", len(instants))
	}
	return s
}

func (s *scene) tell(format string, args ...any) {
	s.told = append(s.told, fmt.Sprintf(format, args...))
}
func (s *scene) chance(one int) bool      { return s.r.IntN(one) == 0 }
func (s *scene) pick(all []string) string { return all[s.r.IntN(len(all))] }

// some are at least one of all, in any order.
func (s *scene) some(all []string) []string {
	var chosen []string
	for _, i := range s.r.Perm(len(all))[:1+s.r.IntN(len(all))] {
		chosen = append(chosen, all[i])
	}
	return chosen
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) command(args ...string) {
	s.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		s.t.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// managed are the snapshots that coppice knows.
func (s *scene) managed() []listedSubvolume {
	return slices.DeleteFunc(subvolumes(s.t, s.fs.Mount), func(l listedSubvolume) bool { return !l.Managed })
}

// meddle does what people and other programs do to a filesystem.
func (s *scene) meddle() {
	managed := s.managed()
	one := func() (listedSubvolume, bool) {
		if len(managed) == 0 {
			return listedSubvolume{}, false
		}
		return managed[s.r.IntN(len(managed))], true
	}
	if snapshot, ok := one(); ok && s.chance(2) { // foreign things beside it
		folder := filepath.Dir(s.fs.Path(snapshot.Path))
		switch s.r.IntN(5) {
		case 0:
			s.must(os.MkdirAll(filepath.Join(folder, "notes\x1b[31m"), 0o755))
		case 1:
			_ = os.Symlink("/etc", filepath.Join(folder, "20190101T000000.000Z"))
		case 2:
			s.foreign("btrfs", "subvolume", "create", filepath.Join(folder, "20180101T000000.000Z"))
		case 3:
			s.foreign("btrfs", "subvolume", "snapshot", "-r", s.fs.Path(s.sources[0]), filepath.Join(folder, "20170101T000000.000Z"))
		case 4:
			s.must(os.WriteFile(filepath.Join(folder, "20160101T000000.000Z"), nil, 0o600))
		}
		s.tell("foreign in %q", folder)
	}
	if snapshot, ok := one(); ok && s.chance(3) {
		hold := `{"reason":"before the upgrade","who":"test"}`
		switch s.r.IntN(8) {
		case 0:
			hold = "{" // nobody can read it
		case 1:
			hold = `{"who":"test","until":"2020-01-01T00:00:00Z"}`
		}
		top, err := kernel.Open(context.Background(), s.fs.Mount)
		s.must(err)
		_, err = top.MkdirAll(".coppice/holds", 0o700)
		s.must(err)
		s.must(top.WriteFileAtomic(".coppice/holds/"+snapshot.UUID, []byte(hold), 0o600))
		top.Close()
		s.tell("hold on %q: %s", snapshot.Path, hold)
	}
	if snapshot, ok := one(); ok && s.chance(4) {
		s.command("btrfs", "property", "set", "-f", "-ts", s.fs.Path(snapshot.Path), "ro", "false")
		s.tell("%q is writable", snapshot.Path)
	}
	if snapshot, ok := one(); ok && s.chance(4) {
		at := filepath.Join(s.fs.Dir, fmt.Sprintf("at%d", s.r.IntN(1000)))
		s.must(os.MkdirAll(at, 0o755))
		// Not mount(8), which takes quotes in a name for its own and mounts the top level.
		s.must(unix.Mount(s.fs.Loop[0], at, "btrfs", 0, "subvol=/"+snapshot.Path))
		if s.mounted == nil {
			s.mounted = map[string]bool{}
		}
		s.mounted[snapshot.UUID] = true
		s.tell("%q is mounted", snapshot.Path)
	}
	if snapshot, ok := one(); ok && s.chance(10) {
		s.command("btrfs", "subvolume", "set-default", s.fs.Path(snapshot.Path))
		s.tell("%q is the default", snapshot.Path)
	}
	switch file := s.fs.Path(".coppice", "hold"); {
	case s.chance(2):
		_ = os.Remove(file)
	case s.chance(8):
		if err := os.WriteFile(file, nil, 0o600); err == nil {
			s.tell("the switch is on")
		}
	}
	// Behind coppice's back; not a mounted one, for whose end "btrfs subvolume sync" would wait for ever.
	if snapshot, ok := one(); ok && s.chance(8) && !s.mounted[snapshot.UUID] {
		if exec.Command("btrfs", "subvolume", "delete", s.fs.Path(snapshot.Path)).Run() == nil {
			s.tell("%q was deleted", snapshot.Path)
		}
	}
}

// foreign is a command that makes something; it may be there already.
func (s *scene) foreign(args ...string) {
	if _, err := os.Lstat(args[len(args)-1]); err != nil {
		s.command(args...)
	}
}

// listed are the paths of all subvolumes by UUID, as "btrfs subvolume list" prints them.
func (s *scene) listed() map[string]string {
	out, err := exec.Command("btrfs", "subvolume", "list", "-u", s.fs.Mount).Output()
	s.must(err)
	all := map[string]string{}
	id := ""
	for line := range strings.Lines(string(out)) {
		if before, path, ok := strings.Cut(line, " path "); ok && strings.HasPrefix(line, "ID ") {
			fields := strings.Fields(before)
			id = fields[len(fields)-1]
			all[id] = path
		} else { // of a name with a line break
			all[id] += line
		}
	}
	for id, path := range all {
		all[id] = strings.TrimSuffix(path, "\n")
	}
	return all
}

func quoted(value any) string {
	data, _ := json.Marshal(value)
	// In a playbook ${{ begins an expression, and $${{ is the text.
	return strings.ReplaceAll(strings.ReplaceAll(string(data), "${{", "$${{"), `\u0026`, "&")
}
