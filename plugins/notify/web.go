package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// address is an http or https URL that may hold secrets.
type address struct {
	url      *url.URL // without name and password
	user     *url.Userinfo
	secrets  secrets
	hostname string // with the port
}

// parseAddress reads a URL. Its errors tell no secret.
func parseAddress(raw string, more ...string) (address, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return address{}, errors.New("it is http://HOST… or https://HOST…")
	}
	a := address{url: u, user: u.User, hostname: u.Host}
	a.secrets = secretsOf(append([]string{raw}, more...), u.Host, u.Hostname())
	u.User, u.Fragment = nil, ""
	return a, nil
}

// request is what is sent to an address.
type request struct {
	method, contentType string
	url                 *url.URL
	user                *url.Userinfo
	bearer              string
	body                string
}

// exchange makes one attempt: nil when it was answered with 2xx. answer is the beginning of that answer.
func (h host) exchange(ctx context.Context, who string, s secrets, r request) (answer string, p *problem) {
	q, err := http.NewRequestWithContext(ctx, r.method, r.url.String(), strings.NewReader(r.body))
	if err != nil {
		return "", &problem{text: fmt.Sprintf("%s: %s", who, s.clean(err.Error()))}
	}
	q.Header.Set("User-Agent", "coppice")
	if r.contentType != "" {
		q.Header.Set("Content-Type", r.contentType)
	}
	if r.user != nil {
		password, _ := r.user.Password()
		q.SetBasicAuth(r.user.Username(), password)
	} else if r.bearer != "" {
		q.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	base := h.transport
	if base == nil {
		base = http.DefaultTransport
		if g, ok := base.(gate); ok {
			base = g.base
		}
	}
	x := &exchange{ctx: ctx}
	response, err := x.roundTrip(base, q)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	return x.reason, x.judge(who, err, s)
}
