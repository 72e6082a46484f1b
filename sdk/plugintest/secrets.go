package plugintest

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/hbohlen/coppice/sdk/schema"
)

// shortest is how long a secret is at least: a shorter one stands everywhere.
const shortest = 6

// secrets looks for what the case's secret inputs hold in what the plugin has said.
func (t *trial) secrets() {
	v, err := decode(t.inputs)
	if err != nil {
		return // tryCase has told
	}
	hidden := map[string]string{}
	gather(t.info.Inputs, v, "", false, hidden)
	if len(hidden) == 0 {
		return
	}
	problem := ""
	said := t.told.String()
	for at, secret := range hidden {
		quoted, err := json.Marshal(secret)
		if err != nil {
			panic(err)
		}
		for _, form := range []string{secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret))} {
			if i := strings.Index(said, form); i >= 0 {
				line := said[strings.LastIndexByte(said[:i], '\n')+1:]
				line, _, _ = strings.Cut(line, "\n")
				problem = "what " + at + " holds stands in: " + shorten(strings.ReplaceAll(line, form, "(the secret)"), 300)
			}
		}
	}
	t.find(secrets, problem)
}

// gather finds the texts at places of the schema that are secret.
func gather(s *schema.Schema, v any, at string, inside bool, found map[string]string) {
	if s == nil {
		return
	}
	inside = inside || s.Secret
	switch v := v.(type) {
	case string:
		if inside && len(v) >= shortest {
			found[at] = v
		}
	case []any:
		for _, item := range v {
			gather(orAny(s.Items), item, at, inside, found)
		}
	case map[string]any:
		for name, value := range v {
			inner := s.Values
			if p := s.Property(name); p != nil {
				inner = p
			}
			gather(orAny(inner), value, at+"/"+schema.Escape(name), inside, found)
		}
	}
}

func orAny(s *schema.Schema) *schema.Schema {
	if s == nil {
		return &schema.Schema{}
	}
	return s
}
