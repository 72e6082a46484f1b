package install

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, dir string) *Target {
	t.Helper()
	target, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(target.Close)
	return target
}

// apply compares and writes with a target that is opened anew, as every invocation does.
func apply(t *testing.T, dir string, force bool, parts ...Part) []Change {
	t.Helper()
	target := open(t, dir)
	changes, err := target.Compare(parts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Write(changes, force, "v1"); err != nil {
		t.Fatal(err)
	}
	return changes
}

// summary is "create /a, same /b (touched)".
func summary(changes []Change) string {
	var all []string
	for _, c := range changes {
		text := string(c.Kind) + " " + c.File.Path
		if c.Touched != "" {
			text += " (" + c.Touched + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// tree is all files below a folder, with their content; the record and folders only by name.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		text := strings.TrimPrefix(path, dir)
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case d.IsDir():
			text += "/"
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			text += " → " + to
		case info.Mode().Type() != 0:
			text += " " + info.Mode().String()
		case text != RecordPath:
			data, _ := os.ReadFile(path)
			text += " " + info.Mode().String() + " " + string(data)
		}
		all = append(all, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

var (
	service = File{"/etc/systemd/system/a.service", 0o644, "[Service]\nExecStart=/bin/true\n"}
	shared  = File{"/etc/systemd/system/failed@.service", 0o644, "shared\n"}
	enabled = Link("/etc/systemd/system/timers.target.wants/a.timer", "/etc/systemd/system/a.timer")
	first   = Part{"a", []File{service, shared, enabled}}
	second  = Part{"b", []File{shared}}
)

func TestInstallTwiceAndUninstall(t *testing.T) {
	dir := t.TempDir()
	defer unix.Umask(unix.Umask(0o077))
	if got := summary(apply(t, dir, false, first, second)); got != "create "+service.Path+", create "+shared.Path+", create "+enabled.Path {
		t.Error(got)
	}
	once := tree(t, dir)
	if !strings.Contains(once, "/etc/systemd/system/a.service -rw-r--r-- [Service]\n") || !strings.Contains(once, "a.timer → /etc/systemd/system/a.timer") {
		t.Error(once)
	}
	if info, err := os.Stat(filepath.Join(dir, "etc/systemd/system")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the umask decides: %v, %v", info.Mode(), err)
	}
	written, err := os.Stat(filepath.Join(dir, RecordPath))
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(apply(t, dir, false, first, second)); got != "same "+service.Path+", same "+shared.Path+", same "+enabled.Path {
		t.Error(got)
	}
	if again, err := os.Stat(filepath.Join(dir, RecordPath)); err != nil || !os.SameFile(written, again) {
		t.Errorf("the record was written again for nothing: %v", err)
	}
	if got := open(t, dir).Parts(); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
	if got := summary(apply(t, dir, false, Part{Name: "a"})); got != "delete "+enabled.Path+", forget "+shared.Path+", delete "+service.Path {
		t.Error(got)
	}
	if got := open(t, dir).Paths("b"); !slices.Equal(got, []string{shared.Path}) {
		t.Error(got)
	}
	if got := summary(apply(t, dir, false, Part{Name: "b"})); got != "delete "+shared.Path {
		t.Error(got)
	}
	if got := tree(t, dir); got != "" {
		t.Errorf("left behind:\n%s", got)
	}
}

// TestFoldersOfOthersStay: only folders that install has made go with the last file, and only empty ones.
func TestFoldersOfOthersStay(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "etc/systemd"), 0o755); err != nil {
		t.Fatal(err)
	}
	apply(t, dir, false, first)
	if err := os.WriteFile(filepath.Join(dir, "etc/coppice/mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	apply(t, dir, false, Part{Name: "a"})
	if got := tree(t, dir); got != "/etc/\n/etc/coppice/\n/etc/coppice/mine -rw-r--r-- \n/etc/systemd/" {
		t.Error(got)
	}
}

func TestWhatSomebodyHasChangedStays(t *testing.T) {
	dir := t.TempDir()
	apply(t, dir, false, first)
	mine := filepath.Join(dir, service.Path)
	if err := os.WriteFile(mine, []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	newer := Part{"a", []File{{service.Path, 0o644, "newer\n"}, shared, enabled}}
	changes := apply(t, dir, false, newer)
	if got := summary(changes[:1]); got != "update "+service.Path+" (was changed since it was installed)" {
		t.Error(got)
	}
	if Pending(changes, false) || !Pending(changes, true) || len(Kept(changes, false)) != 1 || Diff(changes, false) != "" {
		t.Error("it is not left out")
	}
	if got, _ := open(t, dir).Changed("a"); len(got) != 1 || got[service.Path] == "" {
		t.Errorf("changed: %v", got)
	}
	if data, _ := os.ReadFile(mine); string(data) != "mine\n" {
		t.Errorf("it is %q", data)
	}
	// To uninstall leaves it too, and still knows it.
	apply(t, dir, false, Part{Name: "a"})
	if data, _ := os.ReadFile(mine); string(data) != "mine\n" {
		t.Errorf("it is %q", data)
	}
	if got := summary(apply(t, dir, true, Part{Name: "a"})); got != "delete "+service.Path+" (was changed since it was installed)" {
		t.Error(got)
	}
	if got := tree(t, dir); got != "" {
		t.Errorf("left behind:\n%s", got)
	}
}

func TestWhatWasThereBeforeStays(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"file":   func(path string) error { return os.WriteFile(path, []byte("mine\n"), 0o600) },
		"masked": func(path string) error { return os.Symlink("/dev/null", path) },
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"pipe":   func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			place := filepath.Join(dir, service.Path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), make(place)); err != nil {
				t.Fatal(err)
			}
			before := tree(t, dir)
			changes := apply(t, dir, false, Part{"a", []File{service}})
			if got := summary(changes); got != "update "+service.Path+" (is not of coppice)" {
				t.Error(got)
			}
			if changes[0].Diff() == "" {
				t.Error("no diff")
			}
			if got := tree(t, dir); got != before {
				t.Errorf("it is now\n%s", got)
			}
		})
	}
}

func TestMode(t *testing.T) {
	dir := t.TempDir()
	apply(t, dir, false, Part{"a", []File{service}})
	changes := apply(t, dir, false, Part{"a", []File{{service.Path, 0o600, service.Content}}})
	if got := changes[0].Diff(); changes[0].Kind != Update || changes[0].Touched != "" || got != "--- "+service.Path+"\n+++ "+service.Path+"\nmode 0644 → 0600\n" {
		t.Errorf("%s\n%s", summary(changes), got)
	}
	if info, err := os.Stat(filepath.Join(dir, service.Path)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestDiff(t *testing.T) {
	dir := t.TempDir()
	changes := apply(t, dir, false, first)
	want := `--- /dev/null
+++ /etc/systemd/system/a.service
@@ -0,0 +1,2 @@
+[Service]
+ExecStart=/bin/true
`
	if got := changes[0].Diff(); got != want {
		t.Errorf("%s", got)
	}
	changes = apply(t, dir, false, Part{"a", []File{{service.Path, 0o644, "[Service]\nExecStart=/bin/false \x1b[2J\n"}, shared, enabled}})
	want = `--- /etc/systemd/system/a.service
+++ /etc/systemd/system/a.service
@@ -1,2 +1,2 @@
 [Service]
-ExecStart=/bin/true
+ExecStart=/bin/false \x1b[2J
`
	if got := Diff(changes, false); got != want {
		t.Errorf("%s", got)
	}
}

// TestLinksStayInTheImage: a link of an image leads to where it would lead on the machine.
func TestLinksStayInTheImage(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	real := filepath.Join(dir, "persist/units")
	if err := errors.Join(os.MkdirAll(real, 0o755), os.MkdirAll(filepath.Join(dir, "etc/systemd"), 0o755),
		os.Symlink("/persist/units", filepath.Join(dir, "etc/systemd/system"))); err != nil {
		t.Fatal(err)
	}
	apply(t, dir, false, Part{"a", []File{service}})
	if _, err := os.Stat(filepath.Join(real, "a.service")); err != nil {
		t.Error(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "etc/out")); err != nil {
		t.Fatal(err)
	}
	target := open(t, dir)
	if _, err := target.Compare(Part{"b", []File{{"/etc/out/../../../../../x", 0o644, "x"}}}); err == nil {
		t.Error("a path with .. in it was taken")
	}
	changes, err := target.Compare(Part{"b", []File{{"/etc/out/x", 0o644, "x"}}})
	if err == nil {
		err = target.Write(changes, false, "v1")
	}
	if left, _ := os.ReadDir(outside); err == nil || len(left) > 0 {
		t.Errorf("a link out of the image: %v, and outside there is %v", err, left)
	}
}

// TestRecordOfOthers: what decides about deletion is believed only where nobody else can write it.
func TestRecordOfOthers(t *testing.T) {
	for text, spoil := range map[string]func(path string) error{
		"can be written by others": func(path string) error { return os.Chmod(path, 0o666) },
		"can't be read":            func(path string) error { return os.WriteFile(path, []byte("{"), 0o644) },
		"another version": func(path string) error {
			return os.WriteFile(path, []byte(`{"format":"coppice.installed","version":2}`), 0o644)
		},
		"can't be believed": func(path string) error {
			return os.WriteFile(path, []byte(`{"format":"coppice.installed","version":1,"files":[{"path":"/etc/../x"}]}`), 0o644)
		},
	} {
		dir := t.TempDir()
		apply(t, dir, false, first)
		if err := spoil(filepath.Join(dir, RecordPath)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestBrokenOff: whatever part of an installation was done, doing it again completes it, and to uninstall takes all of it away.
func TestBrokenOff(t *testing.T) {
	for done := range len(first.Files) + 1 {
		dir := t.TempDir()
		cut := open(t, dir)
		for _, f := range first.Files[:done] {
			if _, err := cut.write(f); err != nil {
				t.Fatal(err)
			}
		}
		// What a crash in the middle of writing leaves.
		if done < len(first.Files) {
			f := first.Files[done]
			place := filepath.Join(dir, filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".coppice")
			if err := errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), os.WriteFile(place, []byte("ha"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range apply(t, dir, false, first) {
			if c.Touched != "" {
				t.Errorf("after %d: %s %s", done, c.File.Path, c.Touched)
			}
		}
		apply(t, dir, false, Part{Name: "a"})
		if got := tree(t, dir); strings.Contains(got, "a.") || strings.Contains(got, "failed@") {
			t.Errorf("after %d there is left\n%s", done, got)
		}
	}
}

// TestFailure: what was written before something fails is known.
func TestFailure(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	target := open(t, dir)
	changes := []Change{{Kind: Create, File: service, parts: []string{"a"}}, {Kind: Create, File: File{"/file/x", 0o644, ""}, parts: []string{"a"}}}
	if err := target.Write(changes, false, "v1"); err == nil {
		t.Fatal("written")
	}
	if got := open(t, dir).Paths("a"); !slices.Equal(got, []string{service.Path}) {
		t.Error(got)
	}
}
