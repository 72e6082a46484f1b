package playbook

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/golden"
)

// TestFormat holds each testdata/format/*.yaml against the .out beside it.
func TestFormat(t *testing.T) {
	files, err := filepath.Glob("testdata/format/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, found := Format(file, data)
		if found != nil {
			t.Errorf("%s: %v", file, found)
		}
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".out", string(got))
	}
}

// everyPlaybook is each file of a playbook in this repository.
func everyPlaybook(t testing.TB, each func(file string, data []byte)) {
	t.Helper()
	n := 0
	for _, pattern := range []string{"../../playbooks/*.yaml", "../../*/*/testdata/*.yaml", "testdata/*/*.yaml", "testdata/*/*.out"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			n++
			each(file, data)
		}
	}
	if n < 100 {
		t.Errorf("only %d files", n)
	}
}

// tidy checks what always holds.
func tidy(t testing.TB, file string, data []byte) {
	t.Helper()
	got, found := Format(file, data)
	if got == nil {
		if !found.HasErrors() {
			t.Errorf("%s: neither text nor mistake", file)
		}
		return
	}
	if again, _ := Format(file, got); !bytes.Equal(again, got) {
		t.Errorf("%s: not settled:\n%s\nagain:\n%s", file, got, again)
	}
	before, wrong := Parse(file, data)
	after, wrongToo := Parse(file, got)
	if len(wrong) != len(wrongToo) || before == nil || after == nil || before.meaning() != after.meaning() {
		t.Errorf("%s: it means something else:\n%s", file, got)
	}
}

func TestFormatKeepsMeaning(t *testing.T) {
	everyPlaybook(t, func(file string, data []byte) { tidy(t, file, data) })
}

// The shipped playbooks are tidy.
func TestShippedPlaybooksAreTidy(t *testing.T) {
	files, _ := filepath.Glob("../../playbooks/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Format(file, data); !bytes.Equal(got, data) {
			t.Errorf("coppice fmt %s changes it:\n%s", file, got)
		}
	}
}

// FuzzFormat: what Format gives is settled and means the same, whatever the text is.
func FuzzFormat(f *testing.F) {
	everyPlaybook(f, func(_ string, data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) { tidy(t, "fuzz.yaml", data) })
}
