package diagnostic

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRender(t *testing.T) {
	t.Parallel()
	source := NewSource("a.yaml", []byte("\ufeffsteps:\r\n\t- us: 日本 x\r\n  \r\nbad: \x1b[31m \u202e\xff end\n"))
	l := List{
		{File: "a.yaml", Pos: Position{2, 9}, Length: 2, Code: WrongType, Message: "wide"},
		{File: "a.yaml", Pos: Position{2, 4}, Length: 2, Code: UnknownKey, Message: `unknown key "us"`, Allowed: []string{"uses", "id"}, Suggestion: `did you mean "uses"?`},
		{File: "a.yaml", Pos: Position{4, 6}, Length: 99, Severity: Warning, Code: BadValue, Message: "escape \x1b[2J\n"},
		{File: "a.yaml", Pos: Position{3, 1}, Code: BadValue, Message: "blank line"},
		{File: "a.yaml", Pos: Position{4, 18}, Code: BadValue, Message: "end of line"},
		{File: "a.yaml", Pos: Position{9, 1}, Code: BadValue, Message: "outside"},
		{File: "b\n.yaml", Code: EmptyFile, Message: "no place"},
		{Code: EmptyFile, Message: "no file"},
	}
	want := `no file [empty-file]
a.yaml:2:4: unknown key "us" [unknown-key]
        - us: 日本 x
          ^~
  help: did you mean "uses"?
  allowed: uses, id
a.yaml:2:9: wide [wrong-type]
        - us: 日本 x
                ^~~
a.yaml:3:1: blank line [bad-value]
a.yaml:4:6: warning: escape \x1b[2J\n [bad-value]
    bad: \x1b[31m \u202e\xff end
         ^~~~~~~~~~~~~~~~~~~~~~~
a.yaml:4:18: end of line [bad-value]
    bad: \x1b[31m \u202e\xff end
                                ^
a.yaml:9:1: outside [bad-value]
b\n.yaml: no place [empty-file]
`
	if got := l.Text(source); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := l.Render(brokenWriter{}); err == nil {
		t.Error("the error of the writer is lost")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestConceal(t *testing.T) {
	t.Parallel()
	source := NewSource("a", []byte("token: hunter2\n"))
	l := List{
		{File: "a", Pos: Position{1, 1}, Code: SecretDefault, Message: "m", Conceal: true},
		{File: "a", Pos: Position{1, 8}, Code: BadValue, Message: "n"},
	}
	if got := l.Text(source); strings.Contains(got, "hunter2") {
		t.Error(got)
	}
}

func TestSortedAndLimit(t *testing.T) {
	t.Parallel()
	at := func(line, column int, code Code, message string) Diagnostic {
		return Diagnostic{File: "f", Pos: Position{line, column}, Code: code, Message: message}
	}
	l := List{at(2, 1, "b", "1"), at(1, 5, "a", "2"), at(2, 1, "a", "3"), at(2, 1, "b", "0"), at(2, 1, "b", "1"), at(1, 5, "a", "2")}
	var got []string
	for _, d := range l.Sorted() {
		got = append(got, d.Message)
	}
	if strings.Join(got, "") != "2310" {
		t.Errorf("order %v", got)
	}
	if len(l) != 6 || l[0].Message != "1" {
		t.Error("the receiver was changed")
	}
	shown, more := l.Limit(4)
	if len(shown) != 4 || more != 2 {
		t.Errorf("%d shown, %d more", len(shown), more)
	}
	warning := Diagnostic{Severity: Warning, Message: "w"}
	shown, more = List{warning, warning, l[0], warning, l[1]}.Limit(3)
	if more != 2 || len(shown) != 3 || shown[0].Message != "w" || shown[2].Message != l[1].Message {
		t.Errorf("%v and %d more", shown, more)
	}
	if shown, more := (List{}).Limit(-1); len(shown) != 0 || more != 0 {
		t.Error("an empty list")
	}
	if (List{warning}).HasErrors() || !l.HasErrors() {
		t.Error("HasErrors")
	}
}

func TestAddf(t *testing.T) {
	t.Parallel()
	var l List
	l.Addf("f", Position{1, 2}, BadID, "bad %q", "x")
	if l[0].String() != `f:1:2: bad "x" [bad-id]` {
		t.Error(l[0])
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	d := Diagnostic{
		File: "a.yaml", Pos: Position{3, 5}, Length: 4, Severity: Warning, Code: BadID, Message: "m",
		Allowed: []string{"x"}, Suggestion: "s", Path: "steps[0].id",
	}
	data, err := json.Marshal(List{d})
	want := `[{"file":"a.yaml","line":3,"column":5,"length":4,"severity":"warning","code":"bad-id","message":"m","allowed":["x"],"suggestion":"s","path":"steps[0].id"}]`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
	var back List
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, List{d}) {
		t.Errorf("%+v, %v", back, err)
	}
	data, err = json.Marshal(Diagnostic{Code: EmptyFile})
	want = `{"file":"","line":0,"column":0,"length":1,"severity":"error","code":"empty-file","message":""}`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
	if err := json.Unmarshal([]byte(`{"severity":"fatal"}`), &d); err == nil {
		t.Error("an unknown severity was accepted")
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	legal := []string{"id", "name", "if", "for_each", "uses", "with", "timeout", "continue_on_error"}
	for got, want := range map[string]string{
		"use": "uses", "uess": "uses", "USES": "uses", "for-each": "for_each", "foreach": "for_each", "timout": "timeout",
		"continue_on_eror": "continue_on_error", "i": "", "x": "", "zz": "", "when": "", "": "", "wiht": "with", "uses": "",
		"nmae": "name", strings.Repeat("x", 65): "",
	} {
		if near := Suggest(got, legal); near != want {
			t.Errorf("%q: got %q, want %q", got, near, want)
		}
	}
	if got := DidYouMean("stesp", []string{"steps"}); got != `did you mean "steps"?` {
		t.Error(got)
	}
	if got := DidYouMean("q", nil); got != "" {
		t.Error(got)
	}
}

// TestCodes compares the constants of codes.go with the table, and holds the form of both.
func TestCodes(t *testing.T) {
	t.Parallel()
	declared := make(map[Code]bool)
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				declared[Code(strings.Trim(lit.Value, `"`))] = true
			}
		}
		return true
	})
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := make(map[Code]bool)
	for _, info := range Codes() {
		if seen[info.Code] || !declared[info.Code] || !form.MatchString(string(info.Code)) {
			t.Errorf("%s: twice, not declared, or not in kebab-case", info.Code)
		}
		seen[info.Code] = true
		if info.Explain == "" || strings.Contains(info.Explain, "\n") || info.Code.Explain() != info.Explain {
			t.Errorf("%s: explanation %q", info.Code, info.Explain)
		}
	}
	for code := range declared {
		if !seen[code] {
			t.Errorf("%s is not in the table", code)
		}
	}
	if Code("nonsense").Explain() != "" {
		t.Error("an unknown code is explained")
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	s := NewSource("f", []byte("é1\r\n\nx"))
	if s.Lines() != 3 || s.Line(1) != "é1" || s.Line(0) != "" || s.Line(4) != "" || len(s.Runes(1)) != 2 || s.Runes(9) != nil {
		t.Errorf("%+v", s)
	}
	for p, want := range map[Position]Position{
		{1, 3}: {1, 3}, {1, 4}: {1, 3}, {0, 0}: {1, 1}, {9, 9}: {3, 2}, {2, 5}: {2, 1},
	} {
		if got := s.Clamp(p); got != want || !s.Contains(got) || s.Contains(p) != (p == want) {
			t.Errorf("%v: %v", p, got)
		}
	}
}

// FuzzRender: no line and no place can make the printed form more than printable lines.
func FuzzRender(f *testing.F) {
	f.Add("a: b\n\tc: 日本", 1, 1, 1)
	f.Add(strings.Repeat("x", 500), 1, 300, 50)
	f.Add("\x1b]0;title\x07", 1, 2, 3)
	f.Fuzz(func(t *testing.T, text string, line, column, length int) {
		source := NewSource("f", []byte(text))
		d := Diagnostic{File: "f", Pos: Position{line, column}, Length: length, Code: BadValue, Message: text, Suggestion: text}
		got := List{d}.Text(source)
		for _, r := range got {
			if r != '\n' && !isPrintable(r) {
				t.Errorf("%q in %q", r, got)
			}
		}
		if !utf8.ValidString(got) || strings.Count(got, "\n") > 4 {
			t.Errorf("%q", got)
		}
	})
}
