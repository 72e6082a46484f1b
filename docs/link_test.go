package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	linkPattern    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	headingPattern = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	codePattern    = regexp.MustCompile("`[^`]*`")
)

// TestLinks follows every relative link of every document.
func TestLinks(t *testing.T) {
	anchors := map[string]map[string]bool{}
	for _, d := range documents(t) {
		anchors[absolute(t, d.File)] = d.anchors(t)
	}
	for _, d := range documents(t) {
		for i, line := range d.prose(t) {
			for _, m := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(line, ""), -1) {
				target := m[1]
				if strings.Contains(target, "://") {
					continue
				}
				path, anchor, _ := strings.Cut(target, "#")
				file := absolute(t, d.File)
				if path != "" {
					file = filepath.Join(filepath.Dir(file), path)
				}
				if _, err := os.Stat(file); err != nil {
					t.Errorf("%s:%d: the link %s leads nowhere", d.File, i+1, target)
					continue
				}
				if anchor != "" && !anchors[file][anchor] {
					t.Errorf("%s:%d: the link %s: %s has no such heading", d.File, i+1, target, file)
				}
			}
		}
	}
}

// TestEveryPageIsLinked finds pages that nobody gets to.
func TestEveryPageIsLinked(t *testing.T) {
	linked := map[string]bool{absolute(t, "../README.md"): true}
	for _, d := range documents(t) {
		for _, line := range d.prose(t) {
			for _, m := range linkPattern.FindAllStringSubmatch(line, -1) {
				path, _, _ := strings.Cut(m[1], "#")
				linked[filepath.Join(filepath.Dir(absolute(t, d.File)), path)] = true
			}
		}
	}
	for _, d := range documents(t) {
		if !linked[absolute(t, d.File)] {
			t.Errorf("no document links to %s", d.File)
		}
	}
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// prose is the lines of a document with those of blocks left empty.
func (d *document) prose(t *testing.T) []string {
	t.Helper()
	lines := append([]string(nil), d.Lines...)
	for _, b := range d.blocks(t) {
		for i := b.Start; i <= b.End; i++ {
			lines[i] = ""
		}
	}
	return lines
}

// anchors are the headings of a document as GitHub makes anchors of them.
func (d *document) anchors(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for i, line := range d.prose(t) {
		m := headingPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		anchor := slug(m[1])
		if all[anchor] {
			t.Errorf("%s:%d: a second heading %q", d.File, i+1, m[1])
		}
		all[anchor] = true
	}
	return all
}

// slug keeps letters, digits, hyphens and underscores, in lower case, and writes
// a hyphen for each space.
func slug(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}
