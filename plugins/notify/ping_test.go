package notify

import (
	"strings"
	"testing"
)

func TestPing(t *testing.T) {
	s, r := newSink(t, "OK"), newRig(t)
	for _, in := range []inputs{
		{"state": "start"}, {}, {"state": "fail", "body": strings.Repeat("x", mostPing+1)}, {"protocol": "plain"},
	} {
		in["url"] = s.URL + "/ping/hunter22/?create=1"
		result := r.run("ping", in)
		if !delivered(t, result).Delivered || len(result.Done) != 1 {
			t.Fatal(r.said.String())
		}
	}
	var got []string
	for _, h := range s.heard() {
		got = append(got, h.method+" "+h.path+"?"+h.query)
	}
	want := "POST /ping/hunter22/start?create=1, POST /ping/hunter22/?create=1, POST /ping/hunter22/fail?create=1, GET /ping/hunter22/?create=1"
	if strings.Join(got, ", ") != want {
		t.Errorf("heard %q", got)
	}
	if body := s.heard()[2].body; len(body) != mostPing+len("…") {
		t.Errorf("a body of %d bytes", len(body))
	}
	// A service that only waits for successes is told of nothing else.
	for _, state := range []string{"start", "fail"} {
		if p := r.plan("ping", inputs{"url": s.URL + "/hunter22", "protocol": "plain", "state": state}); len(p.Changes) > 0 || len(p.Unknown) > 0 {
			t.Errorf("%+v", p)
		}
	}
	for _, url := range []string{"", "hc-ping.com/hunter22", "ftp://hunter22/", "http:///hunter22", "http://%zz/hunter22"} {
		r.refuses("ping", inputs{"url": url, "required": true}, "http://HOST")
		if p := r.plan("ping", inputs{"url": url}); len(p.Changes) > 0 || len(p.Diagnostics) != 1 {
			t.Errorf("%+v", p)
		}
	}
	r.hides("hunter22")
}

// healthchecks.io answers with 200 also where it knows no such check.
func TestUnknownCheck(t *testing.T) {
	s, r := newSink(t, "OK (not found)"), newRig(t)
	out := delivered(t, r.run("ping", inputs{"url": s.URL + "/hunter22"}))
	if out.Delivered || out.Attempts != 1 || !strings.Contains(out.Problem, "knows no check") {
		t.Errorf("%+v", out)
	}
	r.hides("hunter22")
}
