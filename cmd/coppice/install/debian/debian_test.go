// Package debian is the folder of the Debian package. There is no code in it but the tests.
package debian

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

func require(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			need.Missing(t, "deb", "needs "+p)
		}
	}
}

// run runs a command and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

var builtIn string // the folder of the package

var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "coppice-deb-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	c := exec.Command("./build.sh", dir)
	c.Env = append(os.Environ(), "COMPRESSION=-Zgzip -z1") // in a moment
	c.Stderr = os.Stderr
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

// pack builds the package, once.
func pack(t *testing.T) string {
	t.Helper()
	require(t, "dpkg-deb")
	file, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// What the package says of itself, and what is in it.
func TestContents(t *testing.T) {
	file := pack(t)
	info := run(t, "dpkg-deb", "-I", file)
	for _, want := range []string{" Package: coppice\n", " Homepage: ", "prerm", "postrm", "md5sums"} {
		if !strings.Contains(info, want) {
			t.Errorf("no %q in\n%s", want, info)
		}
	}
	version := strings.TrimSpace(run(t, "dpkg-deb", "-f", file, "Version"))
	if !strings.HasPrefix(filepath.Base(file), "coppice_"+version+"_") {
		t.Errorf("%s has version %s", file, version)
	}
	// Before the first release a version is older than it.
	if strings.HasPrefix(version, "0.0.0~") {
		run(t, "dpkg", "--compare-versions", version, "lt", "0.0.0")
	}

	modes := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(run(t, "dpkg-deb", "-c", file)), "\n") {
		f := strings.Fields(line)
		path := strings.TrimPrefix(f[5], ".")
		modes[path] = f[0]
		if f[1] != "root/root" {
			t.Errorf("%s belongs to %s", path, f[1])
		}
		if !strings.HasPrefix(path, "/usr/") && !strings.HasPrefix(path, "/etc/coppice/") && path != "/" && path != "/etc/" {
			t.Errorf("%s is neither in /usr nor in /etc/coppice", path)
		}
		if strings.HasPrefix(path, "/etc/") && !strings.HasSuffix(path, "/") {
			t.Errorf("%s would be there before somebody asked for it", path)
		}
	}
	for path, mode := range map[string]string{
		"/usr/bin/coppice": "-rwxr-xr-x", "/etc/coppice/credentials/": "drwx------", "/etc/coppice/playbooks/": "drwxr-xr-x", "/etc/coppice/inputs/": "drwxr-xr-x",
		"/usr/share/bash-completion/completions/coppice": "-rw-r--r--", "/usr/share/zsh/vendor-completions/_coppice": "-rw-r--r--",
		"/usr/share/fish/vendor_completions.d/coppice.fish": "-rw-r--r--", "/usr/share/coppice/coppice.rules.yml": "-rw-r--r--",
		"/usr/share/doc/coppice/playbooks/snapshot-rotation.yaml": "-rw-r--r--", "/usr/share/doc/coppice/copyright": "-rw-r--r--",
		"/usr/share/doc/coppice/docs/how-to/rotate-snapshots.md": "-rw-r--r--",
	} {
		if modes[path] != mode {
			t.Errorf("%s: %q, want %s", path, modes[path], mode)
		}
	}

	// A manual page for each verb that the reference has.
	reference, err := os.ReadFile("../../../../docs/reference/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	verbs := regexp.MustCompile(`(?m)^## (coppice.*)$`).FindAllStringSubmatch(string(reference), -1)
	if len(verbs) < 30 {
		t.Fatalf("only %d verbs", len(verbs))
	}
	for _, v := range verbs {
		if page := "/usr/share/man/man1/" + strings.ReplaceAll(v[1], " ", "-") + ".1.gz"; modes[page] == "" {
			t.Errorf("no %s", page)
		}
	}
}

// Manual pages are what man can read, and tell of each exit code.
func TestManual(t *testing.T) {
	require(t, "mandoc")
	dir := t.TempDir()
	run(t, "dpkg-deb", "-x", pack(t), dir)
	pages, err := filepath.Glob(dir + "/usr/share/man/man1/*.gz")
	if err != nil || len(pages) < 30 {
		t.Fatal(err, pages)
	}
	run(t, "gunzip", pages...)
	for i := range pages {
		pages[i] = strings.TrimSuffix(pages[i], ".gz")
	}
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	shown := run(t, "mandoc", "-T", "utf8", dir+"/usr/share/man/man1/coppice.1")
	shown = regexp.MustCompile(".\b").ReplaceAllString(shown, "") // bold
	codes, err := os.ReadFile("../../../../docs/reference/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?m)^\\| `?(\\d+)`?[, |]").FindAllStringSubmatch(string(codes), -1)
	if len(found) < 12 {
		t.Fatalf("only %d exit codes", len(found))
	}
	for _, c := range found {
		if !regexp.MustCompile(`(?m)^ +` + c[1] + `\b`).MatchString(shown) {
			t.Errorf("coppice.1 does not tell of the exit code %s\n%s", c[1], shown)
		}
	}
}

func TestLintian(t *testing.T) {
	require(t, "lintian")
	out, err := exec.Command("lintian", "--fail-on", "error,warning", "--no-cfg", pack(t)).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
