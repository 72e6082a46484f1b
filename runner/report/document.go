package report

import (
	"time"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/sdk"
)

// The format of the plan as a document, as it names itself.
const (
	PlanFormat  = "coppice.plan"
	PlanVersion = 1
)

type document struct {
	form
	record
	closed bool
}

// NewPlanJSON writes a preview as one JSON document, when it is closed:
//
//	{"format":"coppice.plan","version":1,"run":"…","playbook":"…","instant":"…","inputs":{…},
//	 "status":"succeeded","totals":{…},"warnings":0,"steps":[…],"diagnostics":[…]}
//
// steps are StepResults, in the order in which the steps started, items by their index. diagnostics are those of all
// steps, each with its step.
func NewPlanJSON(o Options) Reporter { return &document{form: newForm(o)} }

// planDocument is what is written. A field may be added in version 1, none removed or changed.
type planDocument struct {
	Format      string                `json:"format"`
	Version     int                   `json:"version"`
	Run         string                `json:"run"`
	Playbook    string                `json:"playbook"`
	Description string                `json:"description,omitempty"`
	File        string                `json:"file,omitempty"`
	Instant     time.Time             `json:"instant"`
	Inputs      map[string]any        `json:"inputs"`
	Status      engine.RunStatus      `json:"status"`
	Reason      string                `json:"reason,omitempty"`
	Totals      engine.Totals         `json:"totals"`
	Counts      map[engine.Status]int `json:"step_counts"`
	Warnings    int                   `json:"warnings"`
	Steps       []engine.StepResult   `json:"steps"`
	Diagnostics []stepDiagnostic      `json:"diagnostics"`
	Duration    time.Duration         `json:"duration_ns"`
}

type stepDiagnostic struct {
	Step string `json:"step"`
	Item *int   `json:"item,omitempty"`
	sdk.Diagnostic
}

func (r *document) Emit(e engine.Event) {
	if !r.closed {
		r.emit(e)
	}
}

func (r *document) Close() error {
	if r.closed || !r.any {
		r.closed = true
		return r.flush()
	}
	r.closed = true
	s, e := r.started, r.end()
	d := planDocument{
		Format: PlanFormat, Version: PlanVersion,
		Run: s.Run, Playbook: s.Playbook, Description: s.Description, File: s.File, Instant: s.Instant, Inputs: s.Inputs,
		Status: e.Status, Reason: e.Reason, Totals: e.Changes, Counts: e.Steps, Warnings: e.Warnings, Duration: e.Duration,
		Steps: r.results(), Diagnostics: []stepDiagnostic{},
	}
	if d.Inputs == nil {
		d.Inputs = map[string]any{}
	}
	for _, step := range d.Steps {
		for _, one := range step.Diagnostics {
			d.Diagnostics = append(d.Diagnostics, stepDiagnostic{step.Step.ID, step.Step.Item, one})
		}
	}
	text, err := Encode(d)
	if err != nil {
		if flushed := r.flush(); flushed != nil {
			return flushed
		}
		return err
	}
	r.out.write(string(r.hide.maskJSON(text)) + "\n")
	return r.flush()
}
