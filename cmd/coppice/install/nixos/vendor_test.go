package nixos

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

var vendorHash = regexp.MustCompile(`vendorHash = "(sha256-[A-Za-z0-9+/]+=*)";`)

// package.nix has the hash of what "go mod vendor" writes: Nix compares it with the folder that it makes in the same way.
func TestVendorHash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vendor")
	c := exec.Command("go", "mod", "vendor", "-o", dir)
	c.Dir = "../../../.."
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum := sha256.New()
	if err := archive(sum, dir); err != nil {
		t.Fatal(err)
	}
	hash := "sha256-" + base64.StdEncoding.EncodeToString(sum.Sum(nil))
	text, err := os.ReadFile("package.nix")
	if err != nil {
		t.Fatal(err)
	}
	if !vendorHash.Match(text) {
		t.Fatal("package.nix has no vendorHash")
	}
	same(t, "package.nix", vendorHash.ReplaceAllLiteralString(string(text), `vendorHash = "`+hash+`";`))

	// Nix has the same idea of it.
	if _, err := exec.LookPath("nix"); err != nil {
		need.Missing(t, "nix", "needs nix, to compare the hash with its own")
	}
	c = exec.Command("nix", "--extra-experimental-features", "nix-command", "hash", "path", dir)
	c.Env = environment(t)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != hash {
		t.Errorf("nix hash path: %s, this test: %s", got, hash)
	}
}

// archive writes a folder as a Nix archive, of folders and files: "The Purely Functional Software Deployment Model", figure 5.2.
func archive(w io.Writer, path string) error {
	text(w, "nix-archive-1")
	return node(w, path)
}

func node(w io.Writer, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	text(w, "(", "type")
	if !info.IsDir() {
		text(w, "regular")
		if info.Mode()&0o100 != 0 {
			text(w, "executable", "")
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text(w, "contents", string(content), ")")
		return nil
	}
	text(w, "directory")
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		text(w, "entry", "(", "name", e.Name(), "node")
		if err := node(w, filepath.Join(path, e.Name())); err != nil {
			return err
		}
		text(w, ")")
	}
	text(w, ")")
	return nil
}

// text writes strings, each with its length in front, filled up to eight bytes.
func text(w io.Writer, all ...string) {
	for _, s := range all {
		_ = binary.Write(w, binary.LittleEndian, uint64(len(s))) // a hash takes everything
		_, _ = io.WriteString(w, s+strings.Repeat("\x00", (8-len(s)%8)%8))
	}
}
