package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

// What services that run on a machine of one's own get, over their real API.
func TestServicesTakeAMessage(t *testing.T) {
	in := func(url string) inputs {
		return inputs{"url": url, "title": "backup failed", "message": "step send: the target is full", "fields": inputs{"host": "a", "run": "r1", "empty": ""}}
	}
	const body = "step send: the target is full\n\nhost: a\nrun: r1"
	for name, c := range map[string]struct {
		url, answer string
		check       func(t *testing.T, all []heard)
	}{
		"ntfy": {"ntfy://user:hunter22@%s/coppice-topic?scheme=http&priority=high", `{"id":"x"}`, func(t *testing.T, all []heard) {
			h := all[0]
			if h.path != "/coppice-topic" || h.body != body || h.header.Get("Title") != "backup failed" || h.header.Get("Priority") != "High" ||
				!strings.HasPrefix(h.header.Get("Authorization"), "Basic ") {
				t.Errorf("%+v", h)
			}
		}},
		"generic": {"generic://%s/hook/hunter22?disabletls=yes", "ok", func(t *testing.T, all []heard) {
			if h := all[0]; h.path != "/hook/hunter22" || h.body != "backup failed\n\n"+body {
				t.Errorf("%+v", h)
			}
		}},
		"generic, JSON": {"generic+http://%s/hook/hunter22?template=json", "ok", func(t *testing.T, all []heard) {
			var got map[string]string
			if err := json.Unmarshal([]byte(all[0].body), &got); err != nil || got["title"] != "backup failed" || got["message"] != body {
				t.Errorf("%+v %v", all[0], err)
			}
		}},
		"gotify": {"gotify://%s/Ahunter22abcdef?disabletls=yes&priority=8", `{"id":1}`, func(t *testing.T, all []heard) {
			var got map[string]any
			if err := json.Unmarshal([]byte(all[0].body), &got); err != nil || got["title"] != "backup failed" || got["message"] != body || all[0].path != "/message" {
				t.Errorf("%+v %v", all[0], err)
			}
		}},
		"matrix": {"matrix://:hunter22@%s/?rooms=!room:example.org&disabletls=yes", `{"room_id":"!room:example.org","event_id":"$1","joined_rooms":["!room:example.org"]}`,
			func(t *testing.T, all []heard) {
				last := all[len(all)-1]
				if !strings.Contains(last.path, "/_matrix/client/") || !strings.Contains(last.body, "the target is full") {
					t.Errorf("%+v", all)
				}
			}},
		"mattermost": {"mattermost://%s/hunter22token?disabletls=yes", "ok", func(t *testing.T, all []heard) {
			if h := all[0]; h.path != "/hooks/hunter22token" || !strings.Contains(h.body, "backup failed") {
				t.Errorf("%+v", h)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := newSink(t, c.answer), newRig(t)
			in := in(fmt.Sprintf(c.url, s.at()))
			plan := r.plan("send", in)
			if n := len(s.heard()); n > 0 {
				t.Fatalf("planning has made %d requests", n)
			}
			kind, _, _ := strings.Cut(name, ",")
			if got := plan.Changes[0].Resource.Name; got != kind+" at "+s.at() {
				t.Errorf("the plan says %q", got)
			}
			result, err := r.apply(context.Background(), "send", in, plan)
			if err != nil || !delivered(t, result).Delivered || len(result.Done) != 1 || len(result.Diagnostics) > 0 {
				t.Fatalf("%v %s", err, r.said.String())
			}
			c.check(t, s.heard())
			r.hides("hunter22")
		})
	}
}

// A mail server of ours takes a mail.
func TestMail(t *testing.T) {
	s, r := newMailSink(t), newRig(t)
	in := inputs{"url": "smtp://" + s.at + "/?from=coppice@example.org&to=root@example.org&usestarttls=no&auth=none", "title": "backup failed",
		"message": "the target is full\nlook at it"}
	if result := r.run("send", in); !delivered(t, result).Delivered {
		t.Fatal(r.said.String())
	}
	mail := <-s.mails
	for _, want := range []string{"From: ", "coppice@example.org", "To: root@example.org", "Subject: backup failed", "the target is full", "look at it"} {
		if !strings.Contains(mail, want) {
			t.Errorf("expected %q in\n%s", want, mail)
		}
	}
}

// Whatever goes wrong: a warning, unless it was required; tried again only where that can help; and no secret anywhere.
func TestUndelivered(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	mute := func(t *testing.T) string { // takes calls and says nothing
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr().String()
	}
	closed := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	answers := func(body string, codes ...int) func(t *testing.T) string {
		return func(t *testing.T) string { return newSink(t, body, codes...).at() }
	}
	huge := strings.Repeat("a secret: hunter22 ", 1<<20)
	for name, c := range map[string]struct {
		place    func(t *testing.T) string
		attempts int
		want     string
	}{
		"refused":       {answers("hunter22 is unknown", 403), 1, "answers 403 Forbidden: •••• is unknown"},
		"gone":          {answers(huge, 404), 1, "answers 404 Not Found: a secret: •••• a"},
		"broken":        {answers("try later", 502), 3, "answers 502 Bad Gateway: try later (3 attempts)"},
		"too much":      {answers("", 429), 3, "answers 429"},
		"moved":         {answers("", 301), 1, "wants to be called at https://elsewhere.example instead"},
		"moved for now": {answers("", 307), 1, "wants to be called at https://elsewhere.example instead"},
		"offline":       {closed, 3, "can't be reached: dial tcp"},
		"mute":          {mute, 3, "no answer in time"},
		"no TLS":        {func(t *testing.T) string { return secure.Listener.Addr().String() }, 1, "not to be trusted"},
		"no such name":  {func(*testing.T) string { return "coppice.invalid" }, 3, "no such host name is known"},
	} {
		for kind, url := range map[string]string{
			"generic": "generic://%s/hook/hunter22?disabletls=yes&token=hunter22", "ntfy": "ntfy://me:hunter22@%s/topic-hunter22?scheme=http",
			"gotify": "gotify://%s/hunter22/Ahunter22abcdef?disabletls=yes", "ping": "http://me:hunter22@%s/hunter22?x=hunter22",
			"alertmanager": "http://me:hunter22@%s/hunter22?x=hunter22",
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				at := c.place(t)
				if name == "no TLS" {
					url = strings.NewReplacer("http:", "https:", "disabletls=yes", "disabletls=no", "scheme=http", "scheme=https").Replace(url)
				}
				r := newRig(t)
				in := inputs{"url": fmt.Sprintf(url, at), "message": "x", "timeout": "1m", "within": "3m"}
				if name == "mute" {
					in["timeout"] = "100ms"
				}
				action := "send"
				switch kind {
				case "ping":
					action = "ping"
					delete(in, "message")
				case "alertmanager":
					action = kind
					in["urls"], in["state"], in["alert"] = []any{in["url"]}, "fire", "X"
					delete(in, "message")
					delete(in, "url")
				}
				result := r.run(action, in)
				out := delivered(t, result)
				if out.Delivered || len(result.Done) > 0 || sdk.HasErrors(result.Diagnostics) || len(result.Diagnostics) != 1 {
					t.Errorf("not a warning: %+v", result)
				}
				if !strings.Contains(out.Problem, c.want) || len(out.Problem) > 600 || !strings.Contains(out.Problem, at) {
					t.Errorf("told %q, expected %q", out.Problem, c.want)
				}
				if out.Attempts != c.attempts {
					t.Errorf("%d attempts, expected %d: %s", out.Attempts, c.attempts, out.Problem)
				}
				r.hides("hunter22", "topic-")
				in["required"], in["attempts"] = true, 1
				if result = r.run(action, in); !sdk.HasErrors(result.Diagnostics) {
					t.Errorf("required, and no error: %+v", result)
				}
				r.hides("hunter22", "topic-")
			})
		}
	}
}

// One that fails for a moment is tried again.
func TestAnotherAttempt(t *testing.T) {
	s, r := newSink(t, "{}", 503, 429, 200), newRig(t)
	result := r.run("send", inputs{"url": "ntfy://" + s.at() + "/t?scheme=http", "message": "x"})
	if out := delivered(t, result); !out.Delivered || out.Attempts != 3 || out.Problem != "" || len(result.Diagnostics) > 0 {
		t.Errorf("%+v", out)
	}
	// No longer than it may take in all, whatever the other side asks for.
	s = newSink(t, "{}", 503)
	s.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Retry-After", "3000")
		s.serve(w, q)
	})
	result = r.run("send", inputs{"url": "ntfy://" + s.at() + "/t?scheme=http", "message": "x"})
	if out := delivered(t, result); out.Delivered || out.Attempts != 1 {
		t.Errorf("%+v", out)
	}
}

// A run that is stopped does not wait for a service.
func TestSendIsCancelled(t *testing.T) {
	for _, in := range []inputs{
		{"message": "x", "timeout": "1h", "within": "1h"},
		{"message": "x", "timeout": "1h", "within": "1h", "attempts": 20},
	} {
		called := make(chan bool, 20)
		hang := make(chan bool)
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
			_, _ = io.Copy(io.Discard, q.Body)
			called <- true
			select {
			case <-hang:
			case <-q.Context().Done():
			}
		}))
		in["url"] = "generic://" + strings.TrimPrefix(s.URL, "http://") + "/?disabletls=yes"
		r := newRig(t)
		p := r.plan("send", in)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-called
			cancel()
		}()
		result, err := r.apply(ctx, "send", in, p)
		if err != nil || len(result.Diagnostics) != 1 || result.Diagnostics[0].Reason != sdk.Cancelled || len(result.Done) > 0 {
			t.Errorf("%v %+v", err, result)
		}
		close(hang)
		s.Close()
	}
}

// What is wrong with an address is seen in a preview, and is no failure by itself.
func TestWrongServices(t *testing.T) {
	for url, want := range map[string]string{
		"":                               "SERVICE://",
		"hunter22":                       "SERVICE://",
		"https://hooks.example/hunter22": "for a web hook write generic+https://",
		"nfty://host/hunter22":           `no service "nfty"`,
		"logger://":                      `no service "logger"`,
		"telegram://hunter22":            "the service telegram can't be used",
		"discord://hunter22token@":       "the service discord can't be used",
		"ntfy://u:hunter22@host":         "the service ntfy can't be used",
		"ntfy:///hunter22":               "names no host",
		"generic://%zzhunter22":          "can't be read",
		"pagerduty+https://x/hunter22":   "takes no URL of a web hook",
	} {
		r := newRig(t)
		p := r.plan("send", inputs{"url": url, "message": "x"})
		if len(p.Changes) > 0 || len(p.Diagnostics) != 1 || p.Diagnostics[0].Severity != sdk.SeverityWarning || !strings.Contains(p.Diagnostics[0].Summary, want) {
			t.Errorf("%q: expected %q, got %+v", url, want, p)
		}
		r.refuses("send", inputs{"url": url, "message": "x", "required": true}, want)
		r.hides("hunter22")
	}
}

// Where the host in a URL is a token, the host of the service is told.
func TestHostsThatAreTokens(t *testing.T) {
	for url, want := range map[string]string{
		"discord://hunter22token@4711hunter22":                                             "discord at discord.com",
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawk@telegram?chats=hunter22": "telegram at api.telegram.org",
		"slack://hook:WNA3PBYV6-F20DUQND3RQ-Webc4MAvoacrpPakR8phF0zi@webhook":              "slack at slack.com",
		"pushover://shoutrrr:hunter22token@hunter22user":                                   "pushover at api.pushover.net",
		"pagerduty:///0123456789abcdef0123456789abcdef":                                    "pagerduty at events.pagerduty.com",
	} {
		r := newRig(t)
		p := r.plan("send", inputs{"url": url, "message": "x"})
		if len(p.Changes) != 1 || p.Changes[0].Resource.Name != want {
			t.Errorf("%s: %+v", url, p)
		}
		r.hides("hunter22", "AAHdq", "WNA3", "0123456789abcdef")
	}
}

// A long message is cut, and a title has one place.
func TestText(t *testing.T) {
	if got := text(SendInput{Message: strings.Repeat("ä", mostMessage)}, true); len(got) > mostMessage+len("…") || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes", len(got))
	}
	in := SendInput{Title: "t", Message: "m", Fields: map[string]string{"b": "2", "a": "1", "c": ""}}
	if got := text(in, false); got != "t\n\nm\n\na: 1\nb: 2" {
		t.Errorf("%q", got)
	}
	if got := text(in, true); got != "m\n\na: 1\nb: 2" {
		t.Errorf("%q", got)
	}
}

// mailSink is a mail server that takes everything.
type mailSink struct {
	at    string
	mails chan string
}

func newMailSink(t *testing.T) *mailSink {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &mailSink{l.Addr().String(), make(chan string, 10)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(c)
		}
	}()
	return s
}

func (s *mailSink) talk(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	read := func() string {
		var line []byte
		for b := make([]byte, 1); !strings.HasSuffix(string(line), "\n"); line = append(line, b[0]) {
			if _, err := c.Read(b); err != nil {
				return "QUIT"
			}
		}
		return strings.TrimRight(string(line), "\r\n")
	}
	fmt.Fprint(c, "220 sink\r\n")
	for {
		switch line := read(); {
		case strings.HasPrefix(line, "DATA"):
			fmt.Fprint(c, "354 go on\r\n")
			var mail strings.Builder
			for line := read(); line != "." && line != "QUIT"; line = read() {
				mail.WriteString(line + "\n")
			}
			s.mails <- mail.String()
			fmt.Fprint(c, "250 taken\r\n")
		case strings.HasPrefix(line, "QUIT"):
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}
