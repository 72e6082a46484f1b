package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

func (c *Client) encodeRequest(r sdk.Request) (*CallRequest, error) {
	out := &CallRequest{Id: r.ID, Run: r.Run, Step: r.Step, Action: r.Action,
		InstantUnixNano: r.Instant.UnixNano(), Inputs: r.Inputs, Virtual: string(r.Virtual)}
	var err error
	out.Prior, err = c.prior.encode(r.Prior)
	return out, err
}

func (s *Server) decodeRequest(m *CallRequest) (sdk.Request, error) {
	r := sdk.Request{ID: m.GetId(), Run: m.GetRun(), Step: m.GetStep(), Action: m.GetAction(),
		Instant: time.Unix(0, m.GetInstantUnixNano()).UTC(), Inputs: m.GetInputs(), Virtual: sdk.Virtual(m.GetVirtual())}
	var err error
	r.Prior, err = s.prior.decode(m.GetPrior())
	return r, err
}

func encodePlan(p *sdk.Plan) (*Plan, error) {
	rest := *p
	rest.Outputs, rest.Fingerprint, rest.Private = nil, nil, nil
	decision, err := json.Marshal(rest)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the plan: %w", err)
	}
	return &Plan{Decision: decision, Outputs: p.Outputs, Fingerprint: p.Fingerprint, Private: p.Private}, nil
}

// decodePlan refuses a plan that can't be stored. Outputs are held against their schema by whoever uses them.
func decodePlan(m *Plan) (*sdk.Plan, error) {
	p := &sdk.Plan{}
	if err := unmarshal("the plan", m.GetDecision(), p); err != nil {
		return nil, err
	}
	if f := m.GetFingerprint(); len(f) > 0 && !json.Valid(f) {
		return nil, &BrokenError{Err: errors.New("the fingerprint of the plan is not JSON")}
	}
	if private := m.GetPrivate(); len(private) > 0 && !json.Valid(private) {
		return nil, &BrokenError{Err: errors.New("the private part of the plan is not JSON")}
	}
	p.Outputs, p.Fingerprint, p.Private = m.GetOutputs(), m.GetFingerprint(), m.GetPrivate()
	return p, nil
}

func encodeDiagnostics(all []sdk.Diagnostic) []byte {
	if len(all) == 0 {
		return nil
	}
	data, err := json.Marshal(all)
	if err != nil { // strings only: cannot happen
		panic(err)
	}
	return data
}

// decodeError turns the diagnostics of a reply that has nothing else into one
// error; nil when there is none.
func decodeError(data []byte) error {
	var all []sdk.Diagnostic
	if err := unmarshal("diagnostics", data, &all); err != nil {
		return err
	}
	return Failure(all)
}

// unmarshal decodes one JSON field; an absent one leaves v as it is.
func unmarshal(what string, data []byte, v any) error {
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &BrokenError{Err: fmt.Errorf("cannot decode %s: %w", what, err)}
	}
	return nil
}

// BrokenError says that the other side does not keep to the protocol.
type BrokenError struct{ Err error }

func (e *BrokenError) Error() string { return e.Err.Error() }
func (e *BrokenError) Unwrap() error { return e.Err }

// DomainError is a refusal by the plugin: it works, and says no.
type DomainError struct{ Diagnostics []sdk.Diagnostic }

func (e *DomainError) Error() string {
	for _, d := range e.Diagnostics {
		if d.Severity == sdk.SeverityError {
			return d.Summary
		}
	}
	return "failed"
}

// Failure is the error for diagnostics among which is an error; else nil.
func Failure(all []sdk.Diagnostic) error {
	if !sdk.HasErrors(all) {
		return nil
	}
	return &DomainError{Diagnostics: all}
}
