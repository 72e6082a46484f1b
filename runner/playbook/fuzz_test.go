package playbook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/hbohlen/coppice/runner/diagnostic"
)

func seed(f *testing.F, add func(data []byte)) {
	f.Helper()
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		add(data)
	}
}

// FuzzParse: no text makes Parse panic; every place it names is in the file; either there is a mistake or the playbook
// is complete; aliases do not multiply.
func FuzzParse(f *testing.F) {
	seed(f, func(data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		p, found := Parse("fuzz.yaml", data)
		source := diagnostic.NewSource("fuzz.yaml", data)
		for _, d := range found {
			if d.Pos != (diagnostic.Position{}) && !source.Contains(d.Pos) {
				t.Errorf("outside of the file: %+v", d)
			}
			if d.Code.Explain() == "" || d.Message == "" || d.File != "fuzz.yaml" {
				t.Errorf("incomplete: %+v", d)
			}
		}
		if text := found.Text(source); !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\r\t\x00") {
			t.Errorf("not printable: %q", text)
		}
		if p == nil {
			if !found.HasErrors() {
				t.Error("neither playbook nor mistake")
			}
			return
		}
		checkPlaces(t, p)
		if found.HasErrors() {
			return
		}
		if p.Version != Version || p.Name == "" || len(p.Steps) == 0 {
			t.Errorf("incomplete without a mistake: %+v", p)
		}
		ids := make(map[string]bool)
		for _, s := range p.AllSteps() {
			if ids[s.ID] || !identifier().MatchString(s.ID) || !s.IsBlock() && s.Uses.Plugin == "" && s.Call == nil {
				t.Errorf("bad step without a mistake: %+v", s)
			}
			ids[s.ID] = true
		}
	})
}

// checkPlaces walks everything in a playbook that has a place.
func checkPlaces(t *testing.T, p *Playbook) {
	t.Helper()
	var values int
	var walk func(v Value)
	walk = func(v Value) {
		values++
		if !p.Source.Contains(v.Position()) {
			t.Errorf("outside of the file: %#v", v)
		}
		switch v := v.(type) {
		case Scalar:
			last := utf8.RuneCountInString(v.Text)
			for _, off := range []int{-1, 0, 1, last / 2, last - 1, last, last + 1} {
				if at := v.At(off); !p.Source.Contains(at) {
					t.Errorf("At(%d) of %q is outside of the file: %s", off, v.Text, at)
				}
			}
			if v.Width() < 1 {
				t.Errorf("width of %q", v.Text)
			}
		case List:
			for _, item := range v.Items {
				walk(item)
			}
		case Map:
			for _, e := range v.Entries {
				walk(e.Value)
			}
		}
	}
	for _, v := range append(p.Vars[:len(p.Vars):len(p.Vars)], p.Outputs...) {
		walk(v.Value)
	}
	for _, in := range p.Inputs {
		if in.Default != nil {
			walk(in.Default)
		}
	}
	for _, s := range p.AllSteps() {
		if s.With.Pos.IsValid() {
			walk(s.With)
		}
		for _, v := range []*Scalar{s.Name, s.If} {
			if v != nil {
				walk(*v)
			}
		}
		if s.ForEach != nil {
			walk(s.ForEach)
		}
	}
}

// FuzzScalarAt: for every scalar that the YAML library reads, our own reading of its place gives the same text, and
// each character that stands for itself is found where At says.
func FuzzScalarAt(f *testing.F) {
	seed(f, func(data []byte) { f.Add(data) })
	for _, text := range []string{
		"a: 'x\n\n  y''z  \n  w'\n", "a: \"\\x41\\u00e9\\U0001F642\\\n   b\\tc\"\n", "- a  b\n  c\n", "|\n  x\n   y\n\n  z\n",
		"a: |+\n\n\n  x\n\n", "a: |1\n  x\n x\n", "a: !t &x\n  # c\n  'b'\n", "{a: b\n c, \"d\n e\": f}", "a: \"b\t\n\n\t c\"\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, found := readText("fuzz.yaml", data)
		if found != nil {
			return
		}
		source := diagnostic.NewSource("fuzz.yaml", text)
		document, found := decode("fuzz.yaml", text, source)
		if found != nil {
			return
		}
		c := &composer{reporter: reporter{source: source}, open: make(map[*yaml.Node]bool)}
		var walk func(v Value)
		walk = func(v Value) {
			switch v := v.(type) {
			case Scalar:
				checkAt(t, source, v)
			case List:
				for _, item := range v.Items {
					walk(item)
				}
			case Map:
				for _, e := range v.Entries {
					walk(e.Value)
				}
			}
		}
		value := c.value(document.Content[0], "", 0)
		for _, d := range c.found {
			if d.Code == diagnostic.BadTag {
				return // where an odd tag ends is not worth knowing
			}
		}
		walk(value)
	})
}

func checkAt(t *testing.T, source *Source, s Scalar) {
	t.Helper()
	if s.broken || s.Style == FoldedStyle || s.Style == LiteralStyle && strings.Trim(s.Text, " \n") == "" {
		return
	}
	places := s.places()
	if places == nil {
		t.Fatalf("not found again: %q, style %d, at %s in %q", s.Text, s.Style, s.Pos, source.Runes(s.Pos.Line))
	}
	runes := []rune(s.Text)
	if len(places) != len(runes)+1 {
		t.Fatalf("%d places for %q", len(places), s.Text)
	}
	for i, r := range runes {
		at := places[i]
		line := source.Runes(at.Line)
		switch {
		case i > 0 && at.Before(places[i-1]):
			t.Errorf("%q goes back at %d", s.Text, i)
		case at.Column > len(line): // a line break
			if r != '\n' && r != ' ' {
				t.Errorf("%q: %q at the end of line %d", s.Text, r, at.Line)
			}
		case line[at.Column-1] != r && r != ' ' && r != '\n' && line[at.Column-1] != '\\':
			t.Errorf("%q: %q found at %s", s.Text, line[at.Column-1], at)
		}
	}
}
