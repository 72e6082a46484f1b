package plugintest

import "slices"

// Report is what was found.
type Report struct {
	Plugin   string    `json:"plugin"`             // what it calls itself; empty when it could not be started
	Version  string    `json:"version"`            // the plugin's own
	Findings []Finding `json:"findings"`           // in the order in which the checks were made
	Untested []string  `json:"untested,omitempty"` // actions without a case
}

// Finding is the outcome of a check, once for all of the plugin or once for each action or case.
type Finding struct {
	Check   string `json:"check"`             // its name
	On      string `json:"on,omitempty"`      // the action or the case; absent: the plugin as a whole
	Problem string `json:"problem,omitempty"` // what is wrong; absent: nothing
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
