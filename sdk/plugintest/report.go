package plugintest

import "slices"

// Report is what was found.
type Report struct {
	Plugin   string // what the plugin calls itself; "" when it could not be started
	Version  string
	Findings []Finding
	Untested []string // actions without a case
}

// Finding is the outcome of a check, once for all of the plugin or once for each action or case.
type Finding struct {
	Check   string
	On      string // name of the action or the case; "": the plugin
	Problem string // what is wrong; "": nothing
}

// Failed are the findings with a problem.
func (r *Report) Failed() []Finding {
	var all []Finding
	for _, f := range r.Findings {
		if f.Problem != "" {
			all = append(all, f)
		}
	}
	return all
}

// Started reports whether there was a plugin to test.
func (r *Report) Started() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == handshake && f.Problem != "" })
}

// Explain is what the check of a finding is about.
func (f Finding) Explain() string { return textOf(f.Check) }
