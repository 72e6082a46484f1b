package check

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/runner/diagnostic"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk"
	"github.com/hbohlen/coppice/sdk/plugintest/golden"
	"github.com/hbohlen/coppice/sdk/schema"
)

type takeIn struct {
	Filesystem sdk.Filesystem    `json:"filesystem" default:"/"`
	Sources    []sdk.Subvolume   `json:"sources" min:"1" doc:"What to snapshot."`
	Mode       string            `json:"mode" default:"fast" enum:"fast|slow"`
	Keep       int               `json:"keep" default:"1" min:"1" max:"99"`
	Within     sdk.Duration      `json:"within" default:"30d"`
	Limit      sdk.Size          `json:"limit" default:"0"`
	Ratio      float64           `json:"ratio" default:"0.5"`
	Labels     map[string]string `json:"labels,omitempty"`
	When       *time.Time        `json:"when"`
	Dry        bool              `json:"dry" default:"false"`
}

type takeOut struct {
	Stamp     string    `json:"stamp"`
	Count     int       `json:"count"`
	Free      float64   `json:"free"`
	Created   time.Time `json:"created"`
	Snapshots []struct {
		Path string `json:"path"`
	} `json:"snapshots"`
}

type askIn struct {
	Outputs map[string]json.RawMessage `json:"outputs,omitempty"`
}

// askOut are outputs that a playbook declares, and one more.
type askOut struct{}

func (askOut) JSONSchema() schema.Schema {
	return schema.Schema{Type: schema.Object, Required: []string{"code"}, DeclaredBy: "outputs",
		Properties: schema.Properties{{Name: "code", Schema: &schema.Schema{Type: schema.Integer}}}}
}

// descriptions are as they arrive from a plugin.
func descriptions(t testing.TB) map[string]*sdk.Description {
	t.Helper()
	p := &sdk.Plugin{Name: "disk", Version: "1", Actions: []sdk.Action{
		sdk.Write(sdk.Info{Name: "take", Summary: "Take"}, sdk.Writer[takeIn, takeOut, sdk.None]{}),
		sdk.Read[struct{}, takeOut](sdk.Info{Name: "look", Summary: "Look"}, nil),
		sdk.Read[askIn, askOut](sdk.Info{Name: "ask", Summary: "Ask"}, nil),
	}}
	d, err := p.Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back sdk.Description
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	return map[string]*sdk.Description{"disk": &back}
}

// parseAndCheck is what runner.Load does.
func parseAndCheck(t testing.TB, file string, data []byte) (*Program, diagnostic.List) {
	p, found := playbook.Parse(file, data)
	if p == nil {
		return nil, found
	}
	program, more := Check(p, descriptions(t), []string{"disk", "mail"})
	if found.HasErrors() {
		program = nil
	}
	return program, append(found, more...).Sorted()
}

// TestDiagnostics holds each testdata/*.yaml against the .out beside it: the
// exact text of all that is wrong with it, or nothing.
func TestDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(file)
			program, found := parseAndCheck(t, name, data)
			if good := strings.HasPrefix(name, "good"); good != (program != nil && len(found) == 0) {
				t.Errorf("program: %v, diagnostics: %d", program != nil, len(found))
			}
			golden.Check(t, strings.TrimSuffix(file, ".yaml")+".out", found.Text(diagnostic.NewSource(name, data)))
		})
	}
}

// TestEveryCodeHasABadPlaybook: a code that nothing can provoke is dead, and one
// that no test provokes is not known to be right.
func TestEveryCodeHasABadPlaybook(t *testing.T) {
	seen := map[string]bool{
		"file-too-large": true, // a file of 1 MiB is not kept: runner/playbook makes one
	}
	code := regexp.MustCompile(`\[([a-z0-9-]+)\]\n`)
	for _, dir := range []string{"testdata", "testdata/calls", "../playbook/testdata/bad"} {
		files, _ := filepath.Glob(dir + "/*.out")
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range code.FindAllStringSubmatch(string(data), -1) {
				seen[m[1]] = true
			}
		}
	}
	for _, c := range diagnostic.Codes() {
		if !seen[string(c.Code)] {
			t.Errorf("no bad playbook has the code %s", c.Code)
		}
	}
}

// Positions lie inside the file, whatever is written there.
func FuzzCheck(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		program, found := parseAndCheck(t, "f.yaml", []byte(text))
		if (program == nil) != found.HasErrors() {
			t.Errorf("program %v with %d diagnostics", program != nil, len(found))
		}
		source := diagnostic.NewSource("f.yaml", []byte(text))
		for _, d := range found {
			if d.Pos.IsValid() && !source.Contains(d.Pos) {
				t.Errorf("%s lies outside the file", d)
			}
		}
	})
}
