package docs

import (
	"os"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/runner/check"
	"github.com/hbohlen/coppice/runner/expression"
	"github.com/hbohlen/coppice/runner/playbook"
)

// TestLanguageIsComplete compares the page of the language, which is written by
// hand, with what the code knows.
func TestLanguageIsComplete(t *testing.T) {
	data, err := os.ReadFile("reference/language.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	want := func(what, word string, forms ...string) {
		for _, form := range append(forms, "`"+word+"`") {
			if strings.Contains(page, form) {
				return
			}
		}
		t.Errorf("reference/language.md does not tell of the %s %s", what, word)
	}

	// A wrong key brings up all legal ones.
	_, found := playbook.Parse("keys.yaml", []byte("version: 1\nname: keys\nwrong: 1\nschedule: {calendar: daily, wrong: 1}\n"+
		"inputs: {a: {type: int, wrong: 1}}\nsteps: [{uses: a.b, wrong: 1}, {block: [{uses: a.b, retry: {attempts: 2, wrong: 1}}], wrong: 1}]\n"))
	if len(found) != 6 {
		t.Fatalf("six wrong keys, found: %v", found)
	}
	for _, d := range found {
		for _, key := range d.Allowed {
			want("key", key)
		}
	}
	for _, name := range playbook.Types() {
		want("type", string(name))
	}
	for _, status := range check.Statuses {
		want("status", status)
	}
	// A wrong function brings up all others.
	_, problems := expression.CompileCondition("wrong()", expression.Scope{Status: expression.StatusFunctions, Units: check.Units})
	if len(problems) != 1 || len(problems[0].Allowed) < 50 {
		t.Fatalf("the functions are not listed: %v", problems)
	}
	for _, name := range problems[0].Allowed {
		want("function", name, "`"+name+"(")
	}
}
