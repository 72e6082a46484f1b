package playbook

import (
	"go.yaml.in/yaml/v3"
)

// shape is what a list or map of a playbook is, and so which order its keys have.
type shape int

const (
	freeShape shape = iota // with keys of the author's
	wholeShape
	scheduleShape
	inputsShape
	inputShape
	stepsShape
	stepShape
	retryShape
)

// of is the shape of what stands in a shape under a key, or in a list.
func (s shape) of(key string) shape {
	switch s {
	case wholeShape:
		switch key {
		case "schedule":
			return scheduleShape
		case "inputs":
			return inputsShape
		case "steps", "on_failure", "always":
			return stepsShape
		}
	case inputsShape:
		return inputShape
	case stepsShape:
		return stepShape
	case stepShape:
		switch key {
		case "block", "rescue", "always":
			return stepsShape
		case "retry":
			return retryShape
		}
	}
	return freeShape
}

// order is that of the keys of a map; nil: as they are.
func (s shape) order(n *yaml.Node) []string {
	switch s {
	case wholeShape:
		return playbookKeys
	case scheduleShape:
		return scheduleKeys
	case retryShape:
		return retryKeys
	case inputShape:
		return []string{"type", "items", "enum", "default", "min", "max", "pattern", "secret", "optional", "description"}
	case stepShape:
		for i := 0; i < len(n.Content); i += 2 {
			switch n.Content[i].Value {
			case "block": // the lists last: they are long
				return []string{"id", "name", "if", "timeout", "continue_on_error", "block", "rescue", "always"}
			case "playbook":
				return callKeys
			}
		}
		return stepKeys
	}
	return nil
}
