package check

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/plugintest/golden"
)

// library finds playbooks among the files of an archive: by path, or by name.
func library(files map[string][]byte) func(*playbook.Playbook, string) (playbook.Called, error) {
	return func(from *playbook.Playbook, name string) (playbook.Called, error) {
		file := name + ".yaml"
		if playbook.IsPath(name) {
			file = path.Join(path.Dir(from.File), name)
		}
		data, ok := files[file]
		if !ok {
			return playbook.Called{}, &playbook.NotFoundError{Message: fmt.Sprintf("there is no playbook %q", name), Allowed: []string{"last"}, Suggestion: "a hint"}
		}
		return playbook.Called{File: file, Data: data}, nil
	}
}

// linkAndCheck is what runner.Load does with main.yaml.
func linkAndCheck(t testing.TB, files map[string][]byte) (*Program, diagnostic.List, []*diagnostic.Source) {
	t.Helper()
	p, found := playbook.Parse("main.yaml", files["main.yaml"])
	found = append(found, playbook.Link(p, library(files))...)
	program, more := Check(p, descriptions(t), []string{"disk"})
	sources := []*diagnostic.Source{p.Source}
	for _, c := range p.Called {
		sources = append(sources, diagnostic.NewSource(c.File, c.Data))
	}
	if found.HasErrors() {
		program = nil
	}
	return program, append(found, more...).Sorted(), sources
}

// TestCalls holds what is wrong with playbooks that call each other against the .out beside them.
func TestCalls(t *testing.T) {
	archives, err := filepath.Glob("testdata/calls/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range archives {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range a.Files {
				files[f.Name] = f.Data
			}
			program, found, sources := linkAndCheck(t, files)
			if good := strings.HasPrefix(filepath.Base(file), "good"); good != (program != nil && len(found) == 0) {
				t.Errorf("program: %v, diagnostics: %d", program != nil, len(found))
			}
			for _, d := range found {
				for _, s := range sources {
					if s.File == d.File && !s.Contains(d.Pos) {
						t.Errorf("%s lies outside the file", d)
					}
				}
			}
			golden.Check(t, strings.TrimSuffix(file, ".txtar")+".out", found.Text(sources...))
		})
	}
}
