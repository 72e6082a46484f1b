package docs

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hbohlen/coppice/docs/page"
)

var update = flag.Bool("update", false, "write what is really printed into the documents")

// binary is the path of a freshly built coppice.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "coppice-docs-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "coppice")
	c := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../cmd/coppice")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	if err != nil {
		return "", &buildError{err, string(out)}
	}
	return path, nil
})

var built string // folder of the binary

type buildError struct {
	err error
	out string
}

func (e *buildError) Error() string { return "cannot build coppice: " + e.err.Error() + "\n" + e.out }

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// coppice runs the command without any configuration of the machine.
func coppice(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), "COPPICE_CONFIG_DIR="+t.TempDir())
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		if c.ProcessState == nil {
			t.Fatal(err)
		}
		code = c.ProcessState.ExitCode()
	}
	return out.String(), errs.String(), code
}

// document is a page.
type document struct{ *page.Page }

// documents are README.md and all below this folder.
func documents(t *testing.T) []*document {
	t.Helper()
	files := []string{"../README.md"}
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []*document
	for _, file := range files {
		p, err := page.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &document{p})
	}
	return all
}

func (d *document) write(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(d.File, []byte(strings.Join(d.Lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (d *document) blocks(t *testing.T) []page.Block {
	t.Helper()
	all, err := d.Blocks()
	if err != nil {
		t.Error(err)
	}
	return all
}

// TestPlaybooks validates every YAML block.
func TestPlaybooks(t *testing.T) {
	for _, d := range documents(t) {
		dir := t.TempDir() // a playbook can call those above it
		for i, b := range d.blocks(t) {
			if b.Language != "yaml" {
				continue
			}
			kind := "playbook"
			if len(b.Words) > 0 {
				kind, _, _ = strings.Cut(b.Words[0], "=")
			}
			text := d.Text(b)
			file := filepath.Join(dir, fmt.Sprintf("block%d.yaml", i))
			if name := b.Option("file"); name != "" && filepath.Base(name) == name {
				file = filepath.Join(dir, name)
			}
			args := []string{"validate", file}
			switch kind {
			case "playbook", "file":
				if !strings.HasPrefix(text, "version:") && !strings.Contains(text, "\nversion:") {
					t.Errorf("%s:%d: neither a whole playbook nor marked as steps, inputs=NAME or fragment", d.File, b.Start+1)
					continue
				}
			case "steps":
				text = "version: 1\nname: block\nsteps:\n" + indent(text)
			case "inputs":
				// There is no such filesystem: good inputs come as far as the first step.
				args = []string{"plan", b.Option("inputs"), "--inputs", file, "-i", "filesystem=/nonexistent"}
			case "fragment":
				continue
			default:
				t.Errorf("%s:%d: unknown kind of block %q", d.File, b.Start+1, b.Words[0])
				continue
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, stderr, code := coppice(t, args...)
			if code >= 64 || code != 0 && kind != "inputs" {
				t.Errorf("%s:%d: exit code %d\n%s", d.File, b.Start+1, code, stderr)
			}
		}
	}
}

func indent(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) != "" {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "")
}
