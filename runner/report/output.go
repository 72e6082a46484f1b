package report

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hbohlen/coppice/runner/engine"
)

// longOutput is the number of characters from which a list is only counted.
const longOutput = 400

// outputs decodes a step's outputs, with what is not known marked.
func outputs(r engine.StepResult) map[string]any {
	all := object(r.Outputs)
	for _, pointer := range r.Unknown {
		tokens := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
		for i, t := range tokens { // RFC 6901 §4
			tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
		}
		if pointer == "" {
			for k := range all {
				all[k] = unknown{}
			}
			continue
		}
		if all == nil {
			all = map[string]any{}
		}
		forget(all, tokens)
	}
	return all
}

// forget marks the value at a path as unknown; a path that leads nowhere is ignored, but a key may be new.
func forget(v any, path []string) {
	switch v := v.(type) {
	case map[string]any:
		if len(path) == 1 {
			v[path[0]] = unknown{}
		} else if next, ok := v[path[0]]; ok {
			forget(next, path[1:])
		}
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(v) {
			return
		}
		if len(path) == 1 {
			v[i] = unknown{}
		} else {
			forget(v[i], path[1:])
		}
	}
}

// allOutputs puts each output on a line.
func (f *form) allOutputs(p *page, indent int, r engine.StepResult) {
	all := outputs(r)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		text := f.value(all[k])
		if list, ok := all[k].([]any); ok && len(text) > longOutput {
			text = Count(len(list), "item") + ", see --json"
		}
		p.wrap(line{}.pad(indent).add(dim, f.clean(k)+" = "), dim, text)
	}
}
