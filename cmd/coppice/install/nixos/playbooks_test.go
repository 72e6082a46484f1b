package nixos

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/hbohlen/coppice/playbooks"
	"github.com/hbohlen/coppice/runner/playbook"
	"github.com/hbohlen/coppice/sdk/unit"
)

var update = flag.Bool("update", false, "write the generated files and the expected results anew")

//go:generate go test -count=1 -run ^(TestShipped|TestVendorHash)$ . -update

// shipped is what the module has to know of a playbook.
type shipped struct {
	Description string                  `json:"description"`
	Schedule    map[string]any          `json:"schedule,omitempty"`
	Inputs      map[string]shippedInput `json:"inputs"`
}

type shippedInput struct {
	Required bool `json:"required"`
	Secret   bool `json:"secret"`
}

// playbooks.json is what the playbooks say of themselves.
func TestShipped(t *testing.T) {
	all := map[string]shipped{}
	for _, name := range playbooks.Names() {
		data, _ := playbooks.Read(name)
		p, mistakes := playbook.Parse(name+".yaml", data)
		if mistakes.HasErrors() {
			t.Fatal(mistakes)
		}
		s := shipped{Description: p.Description, Inputs: map[string]shippedInput{}}
		for _, in := range p.Inputs {
			s.Inputs[in.Name] = shippedInput{in.Required(), in.Secret}
		}
		if when := p.Schedule; when != nil {
			s.Schedule = map[string]any{"calendar": when.Calendar, "persistent": when.Persistent}
			if when.Jitter > 0 {
				s.Schedule["jitter"] = unit.FormatDuration(when.Jitter)
			}
		}
		all[name] = s
	}
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(all); err != nil {
		t.Fatal(err)
	}
	same(t, "playbooks.json", want.String())
}

// same compares a file with what it should be, or writes it.
func same(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what it is made from any more: go generate ./cmd/coppice/install/nixos\nwant:\n%s", file, want)
	}
}
