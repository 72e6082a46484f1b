package sysctl

import (
	"encoding/json"

	"github.com/hbohlen/coppice/sdk"
)

// keyState is what a change says of a key before and after it.
type keyState struct {
	Value string `json:"value"`
}

// planned are the values that earlier steps have planned, by path.
func planned(prior []sdk.Change) map[string]string {
	all := map[string]string{}
	for _, c := range prior {
		if c.Resource.Type != keyType || c.Conditional != "" {
			continue
		}
		var after keyState
		k, err := parseKey(c.Resource.Name)
		if err == nil && json.Unmarshal(c.After, &after) == nil {
			all[k.path] = after.Value
		}
	}
	return all
}

// lay puts what earlier steps have planned over what was observed.
func (o *observed) lay(prior []sdk.Change) {
	for path, value := range planned(prior) {
		if s, ok := o.settings[path]; ok {
			s.value = value
			o.settings[path] = s
		}
	}
	if o.path != "" {
		o.file = layFile(o.file, o.path, prior)
	}
}

// layFile is a file of ours after what earlier steps have planned.
func layFile(c content, path string, prior []sdk.Change) content {
	for _, change := range prior {
		if change.Resource.Type != fileType || change.Resource.Name != path || change.Conditional != "" {
			continue
		}
		if change.Kind == sdk.Delete {
			c = content{}
			continue
		}
		var after map[string]string
		if json.Unmarshal(change.After, &after) == nil {
			c = content{There: true, Text: format(linesOf(after))}
		}
	}
	return c
}

func object(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps and structs of strings have JSON
	}
	return data
}
