package notify

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

type inputs map[string]any

// rig calls actions as the runner does, and keeps all that they say.
type rig struct {
	t       *testing.T
	plugin  *sdk.Plugin
	instant time.Time
	said    strings.Builder // everything that the plugin has told, as JSON
}

func newRig(t *testing.T) *rig {
	return &rig{t: t, plugin: plugin(host{now: time.Now, pause: time.Millisecond}), instant: time.Now().UTC().Truncate(time.Millisecond)}
}

func (r *rig) request(action string, in inputs) sdk.Request {
	data, err := json.Marshal(in)
	if err != nil {
		r.t.Fatal(err)
	}
	return sdk.Request{ID: "1", Run: "run", Step: "step", Action: action, Instant: r.instant, Inputs: data}
}

func (r *rig) say(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	r.said.Write(append(data, '\n'))
}

// plan plans, without an error.
func (r *rig) plan(action string, in inputs) *sdk.Plan {
	r.t.Helper()
	p, err := r.plugin.Plan(context.Background(), r.request(action, in))
	if err != nil {
		r.t.Fatalf("cannot plan %s: %v", action, err)
	}
	r.say(p)
	return p
}

// refuses expects the plan to fail with that text.
func (r *rig) refuses(action string, in inputs, want string) {
	r.t.Helper()
	_, err := r.plugin.Plan(context.Background(), r.request(action, in))
	all := sdk.Diagnose(err)
	r.say(all)
	if err == nil || !strings.Contains(all[0].Summary, want) {
		r.t.Errorf("%s %v: expected %q, got %v", action, in, want, err)
	}
}

// apply applies a plan.
func (r *rig) apply(ctx context.Context, action string, in inputs, p *sdk.Plan) (*sdk.Result, error) {
	var mu sync.Mutex
	result, err := r.plugin.Apply(ctx, r.request(action, in), p, func(e sdk.Event) {
		mu.Lock()
		defer mu.Unlock()
		r.say(e)
	})
	r.say(result)
	r.say(sdk.Diagnose(err))
	return result, err
}

// run plans and applies. The result may have failed.
func (r *rig) run(action string, in inputs) *sdk.Result {
	r.t.Helper()
	p := r.plan(action, in)
	result, err := r.apply(context.Background(), action, in, p)
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

// delivered is what the outputs tell of the delivery.
func delivered(t *testing.T, r *sdk.Result) DeliveryOutput {
	t.Helper()
	var out DeliveryOutput
	if err := json.Unmarshal(r.Outputs, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// heard is a request that a sink has taken.
type heard struct {
	method, path, query, body string
	header                    http.Header
}

// sink is a server that keeps what it hears. It answers with the codes in their order, the last one again and again.
type sink struct {
	*httptest.Server
	mu    sync.Mutex
	all   []heard
	codes []int
	body  string
}

func newSink(t *testing.T, body string, codes ...int) *sink {
	s := &sink{codes: codes, body: body}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) serve(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, heard{q.Method, q.URL.Path, q.URL.RawQuery, string(body), q.Header})
	code := 200
	if n := len(s.codes); n > 0 {
		code = s.codes[min(len(s.all), n)-1]
	}
	if code/100 == 3 {
		w.Header().Set("Location", "https://elsewhere.example"+q.URL.Path)
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, s.body)
}

func (s *sink) heard() []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]heard{}, s.all...)
}

// at is the sink's host and port.
func (s *sink) at() string { return strings.TrimPrefix(s.URL, "http://") }

// hides expects a text in nothing that the plugin has said.
func (r *rig) hides(secrets ...string) {
	r.t.Helper()
	for _, s := range secrets {
		if strings.Contains(r.said.String(), s) {
			r.t.Errorf("%q was told:\n%s", s, r.said.String())
		}
	}
}
