package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hbohlen/coppice/runner/engine"
	"github.com/hbohlen/coppice/runner/report"
	"github.com/hbohlen/coppice/sdk"
)

// Header is the first line of a record.
type Header struct {
	Version  int                        `json:"version"`
	Run      string                     `json:"run"`
	Mode     engine.Mode                `json:"mode"`
	Playbook string                     `json:"playbook"`
	File     string                     `json:"file,omitempty"`
	SHA256   string                     `json:"playbook_sha256,omitempty"` // of the playbook's text
	Inputs   map[string]json.RawMessage `json:"inputs"`                    // JSON values; secrets masked
	Salt     string                     `json:"salt,omitempty"`            // of Secrets; base64
	Secrets  map[string]string          `json:"secrets,omitempty"`         // by input: HMAC-SHA-256, to know the same secret again; base64
	Instant  time.Time                  `json:"instant"`                   // the run's one instant
	Coppice  string                     `json:"coppice,omitempty"`         // the version of the program
	PID      int                        `json:"pid"`
	BootID   string                     `json:"boot_id,omitempty"`
	Host     string                     `json:"hostname,omitempty"`
	Folder   string                     `json:"cwd,omitempty"`     // what a relative File starts from
	Resumes  string                     `json:"resumes,omitempty"` // the run that this one goes on from
	Home     string                     `json:"home,omitempty"`    // what the state folder is known by that the record belongs in
	Origin   string                     `json:"origin,omitempty"`  // the first of the runs that go on from each other
}

// entry is what is written down of an event.
type entry struct {
	kind  string
	body  any
	small any  // instead, when body is too large or no JSON
	sync  bool // it must be on the disk before the run goes on
}

// cut says what of an event is not in its line, and how large or how many it was.
type cut map[string]int

// The bodies of lines, where they are not the events themselves. An outer field hides an inner one of the same name.
type (
	headerBody struct {
		Version *struct{} `json:"version,omitempty"` // stands in front
		Header
		Cut cut `json:"cut,omitempty"`
	}
	startedBody struct {
		engine.RunStarted
		// In the header:
		Inputs  *struct{} `json:"inputs,omitempty"`
		Resumes *struct{} `json:"resumes,omitempty"`
		Origin  *struct{} `json:"origin,omitempty"`
	}
	plannedBody struct {
		Step    engine.StepRef `json:"step"`
		Changes []sdk.Change   `json:"changes"`
		Kept    int            `json:"kept,omitempty"`
		Cut     cut            `json:"cut,omitempty"`
	}
	finishedBody struct {
		engine.StepResult
		Planned *struct{} `json:"planned,omitempty"` // in its own line
		Made    *struct{} `json:"made,omitempty"`    // each in its own line
		// Fingerprint is for comparing saved plans with the machine: nothing that is of use afterwards.
		Fingerprint *struct{} `json:"fingerprint,omitempty"`
		// Masked: a secret was in the outputs.
		Masked bool `json:"masked,omitempty"`
		Cut    cut  `json:"cut,omitempty"`
	}
)

// beginning is the first two lines.
func (r *Recorder) beginning(e engine.RunStarted) ([]byte, error) {
	h := Header{Run: e.Run, Mode: e.Mode, Playbook: e.Playbook, File: e.File, SHA256: r.options.SHA256,
		Inputs: map[string]json.RawMessage{}, Instant: e.Instant, Coppice: r.options.Coppice, PID: os.Getpid(),
		Salt: r.options.Inputs.Salt, Secrets: r.options.Inputs.Secrets, Home: r.options.Home, Resumes: e.Resumes, Origin: e.Origin, BootID: BootID()}
	h.Host, _ = os.Hostname()
	h.Folder, _ = os.Getwd()
	size := 0
	for name, value := range e.Inputs {
		text, err := report.Encode(value)
		if err != nil {
			return nil, fmt.Errorf("cannot encode input %s: %w", name, err)
		}
		h.Inputs[name] = text
		size += len(text)
	}
	full := headerBody{Header: h}
	if size > maxInputs {
		full.Inputs, full.Cut = nil, cut{"inputs": size}
	}
	small := full
	small.Inputs, small.Cut = nil, cut{"inputs": size}
	first, err := r.line(entry{kind: "header", body: full, small: small})
	if err != nil {
		return nil, err
	}
	e.Description = cutText(e.Description, maxText)
	second, err := r.line(entry{kind: "run_started", body: startedBody{RunStarted: e}})
	return append(first, second...), err
}

// BootID changes each time that the machine is started, see random(4); "" where it can't be read.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// entry is what of an event is written down; false: nothing.
func (r *Recorder) entry(e engine.Event) (entry, bool) {
	switch e := e.(type) {
	case engine.RunStarted, engine.StepProgress:
		return entry{}, false
	case engine.StepStarted:
		return entry{kind: "step_started", body: engine.StepStarted{Step: short(e.Step)}}, true
	case engine.StepPlanned:
		return planned(e)
	case engine.StepRetrying:
		e.Step, e.Reason = short(e.Step), cutText(e.Reason, maxText)
		return entry{kind: "step_retrying", body: e}, true
	case engine.ChangeMade:
		e.Step, e.Change = short(e.Step), shortChange(e.Change)
		small := e
		small.Change.Before, small.Change.After = nil, nil
		if len(e.Change.Before)+len(e.Change.After) > maxOther {
			e = small
		}
		return entry{kind: "change_made", body: e, small: small}, true
	case engine.StepFinished:
		return r.finished(e.StepResult), true
	case engine.RunFinished:
		e.Reason = cutText(e.Reason, maxText)
		return entry{kind: "run_finished", body: e, sync: true}, true
	case engine.StepLog:
		e.Step = short(e.Step)
		return entry{kind: "step_log", body: e}, true
	}
	return other(e)
}

// other is an event that came to the engine after this package was written.
func other(e engine.Event) (entry, bool) {
	body := entry{kind: typeName(e), body: e}
	if text, err := report.Encode(e); err != nil || len(text) > maxOther || len(text) == 0 || text[0] != '{' {
		body.body = struct {
			Cut cut `json:"cut"`
		}{cut{body.kind: len(text)}}
	}
	return body, true
}

// typeName is step_retried for engine.StepRetried.
func typeName(e engine.Event) string {
	t := reflect.TypeOf(e)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var b strings.Builder
	for i, c := range t.Name() {
		if i > 0 && unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// planned comes before the plan is applied: if there is something to change, the disk must know first.
func planned(e engine.StepPlanned) (entry, bool) {
	if !writes(e.Step) && len(e.Plan.Changes) == 0 {
		return entry{}, false
	}
	body := plannedBody{Step: short(e.Step), Changes: []sdk.Change{}, Kept: len(e.Plan.Kept)}
	small := body
	small.Cut = cut{"changes": len(e.Plan.Changes)}
	size := 0
	for i, c := range e.Plan.Changes {
		c = shortChange(c)
		size += len(c.Summary) + len(c.Reason) + len(c.Before) + len(c.After) + len(c.Resource.Name) + 200
		if size > maxChanges {
			body.Cut = cut{"changes": len(e.Plan.Changes) - i}
			break
		}
		body.Changes = append(body.Changes, c)
	}
	return entry{kind: "step_planned", body: body, small: small, sync: len(e.Plan.Changes) > 0}, true
}

func (r *Recorder) finished(result engine.StepResult) entry {
	body := finishedBody{StepResult: result}
	body.Step = short(body.Step)
	body.StepResult.Planned, body.StepResult.Made, body.StepResult.Fingerprint = engine.PlannedStep{}, nil, nil
	body.Summary, body.Why = cutText(body.Summary, maxText), cutText(body.Why, maxText)
	body.Diagnostics = nil
	cuts := cut{}
	size := 0
	for i, d := range result.Diagnostics {
		d.Summary, d.Advice, d.Path = cutText(d.Summary, maxText), cutText(d.Advice, maxText), cutText(d.Path, maxText)
		if size += len(d.Summary) + len(d.Advice) + len(d.Path) + 100; size > maxDiagnostics {
			cuts["diagnostics"] = len(result.Diagnostics) - i
			break
		}
		body.Diagnostics = append(body.Diagnostics, d)
	}
	switch {
	case len(body.Outputs) > maxOutputs:
		cuts["outputs"] = len(body.Outputs)
		body.Outputs, body.Unknown = nil, nil
	case len(body.Outputs) > 0:
		body.Masked = r.mask.hides(body.Outputs)
	}
	if len(cuts) > 0 {
		body.Cut = cuts
	}
	small := body
	small.Outputs, small.Unknown, small.Diagnostics = nil, nil, nil
	small.Cut = cut{"outputs": len(result.Outputs), "diagnostics": len(result.Diagnostics)}
	// What has only read, found nothing to change, or was not even tried, has done nothing that the disk must know of. What a
	// block has done, the steps in it have told.
	nothing := result.Status == engine.OK && len(result.Planned.Changes) == 0 && len(result.Made) == 0
	idle := result.Status == engine.Skipped || result.Status == engine.Unreached || nothing || !writes(result.Step)
	return entry{kind: "step_finished", body: body, small: small, sync: !idle}
}

// admit reports whether a line of a plugin is recorded, and makes it short. Of many only the first are.
func (r *Recorder) admit(e *engine.StepLog) bool {
	if e.Level != "warn" && e.Level != "error" || r.logLines > maxLogLines {
		return false
	}
	e.Message = cutText(strings.TrimRight(e.Message, "\r\n"), maxLogText)
	r.logLines++
	if r.logBytes += len(e.Message) + 200; r.logBytes > maxLogBytes {
		r.logLines = maxLogLines + 1
	}
	if r.logLines > maxLogLines {
		*e = engine.StepLog{Plugin: e.Plugin, Level: "warn", Message: "there was more, which is not recorded"}
	}
	return true
}

// writes reports whether a step may change the machine; one of unknown effect may.
func writes(s engine.StepRef) bool {
	block := s.Uses == "" && s.Effect == ""
	return s.Effect != string(sdk.Reads) && !block
}

func short(s engine.StepRef) engine.StepRef {
	s.Title, s.Label = cutText(s.Title, maxLogText), cutText(s.Label, maxLogText)
	return s
}

func shortChange(c sdk.Change) sdk.Change {
	c.Summary, c.Reason = cutText(c.Summary, maxText), cutText(c.Reason, maxText)
	c.Resource.Name = cutText(c.Resource.Name, maxText)
	return c
}

// cutText cuts a text to at most n bytes, and says so.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "… (cut)"
	end := n - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
