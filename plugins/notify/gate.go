package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

const (
	mostBody   = 64 << 10 // bytes of an answer that are read
	mostReason = 2 << 10  // bytes of an answer that are looked at for a reason
)

// exchange is what an attempt has said and heard over HTTP.
type exchange struct {
	ctx context.Context // of the attempt

	mu       sync.Mutex
	asked    bool
	status   int    // of the last answer; 0: none
	reason   string // the beginning of its body
	location string // the host that it wanted to send us to
	after    time.Duration
	failure  error // why there was no answer
}

// current is the exchange of the message that is being sent. shoutrrr takes no context and no client, so that its requests are met on
// their way: all of its services send through http.DefaultTransport, or through a client that guard changes.
var (
	current    atomic.Pointer[exchange]
	sending    = make(chan struct{}, 1) // one message at a time
	usual      http.RoundTripper
	standInFor = sync.OnceFunc(func() {
		usual = http.DefaultTransport
		http.DefaultTransport = gate{usual}
	})
)

// gate lets requests of the current exchange pass within its bounds.
type gate struct{ base http.RoundTripper }

func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	x := current.Load()
	if x == nil {
		return g.base.RoundTrip(r)
	}
	return x.roundTrip(g.base, r)
}

// guard puts the gate into a service that has a client of its own.
func guard(s types.Service) {
	standInFor()
	through := func(c *tls.Config) http.RoundTripper {
		t, ok := usual.(*http.Transport)
		if !ok {
			return gate{usual}
		}
		t = t.Clone()
		t.TLSClientConfig = c
		return gate{t}
	}
	switch s := s.(type) {
	case *ntfy.Service:
		s.SetHTTPClient(&http.Client{Transport: through(&tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.Config.DisableTLSVerification})})
	case interface{ GetHTTPClient() *http.Client }:
		if c := s.GetHTTPClient(); c != nil {
			if t, ok := c.Transport.(*http.Transport); ok && t != nil {
				c.Transport = through(t.TLSClientConfig)
			}
		}
	}
}

// roundTrip sends a request as part of the exchange: it ends with the attempt, no redirect is followed, and only the beginning of
// the answer is read.
func (x *exchange) roundTrip(base http.RoundTripper, r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(x.ctx, cancel)
	end := func() { stop(); cancel() }
	answer, err := base.RoundTrip(r.WithContext(ctx))
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked, x.status, x.reason, x.location, x.after, x.failure = true, 0, "", "", 0, err
	if err != nil {
		end()
		return nil, err
	}
	x.status = answer.StatusCode
	if to, err := answer.Location(); err == nil && answer.StatusCode/100 == 3 {
		answer.Body.Close()
		end()
		x.location = to.Scheme + "://" + to.Host
		return nil, errors.New("redirected")
	}
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		x.after = time.Duration(min(seconds, 3600)) * time.Second
	}
	begin, _ := io.ReadAll(io.LimitReader(answer.Body, mostReason))
	x.reason = string(begin)
	answer.Body = body{io.MultiReader(bytes.NewReader(begin), io.LimitReader(answer.Body, mostBody)), answer.Body, end}
	return answer, nil
}

type body struct {
	io.Reader
	base io.Closer
	end  func()
}

func (b body) Close() error {
	err := b.base.Close()
	b.end()
	return err
}

// problem is why an attempt came to nothing.
type problem struct {
	text  string
	again bool          // another attempt may do better
	after time.Duration // and not before
}

// judge says what has come of an attempt that ended with err. who is the other side.
func (x *exchange) judge(who string, err error, s secrets) *problem {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case err == nil && (!x.asked || x.status/100 == 2):
		return nil
	case x.location != "":
		return &problem{text: fmt.Sprintf("%s wants to be called at %s instead, and what is secret is sent nowhere else", who, s.clean(x.location))}
	case x.status >= 300:
		p := &problem{text: fmt.Sprintf("%s answers %d %s", who, x.status, http.StatusText(x.status)), after: x.after}
		if reason := s.clean(x.reason); reason != "" {
			p.text += ": " + reason
		}
		switch x.status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			p.again = true
		default:
			p.again = x.status >= 500
		}
		return p
	case x.failure != nil:
		err = x.failure
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
	case x.asked: // it has taken the request, and says no in words of its own
		return &problem{text: fmt.Sprintf("%s says no: %s", who, s.clean(err.Error()))}
	}
	text, again := describe(err)
	return &problem{text: fmt.Sprintf("%s can't be reached: %s", who, s.clean(text)), again: again}
}

// describe is an error of the network, and whether it may go away.
func describe(err error) (text string, again bool) {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var (
		unverified *tls.CertificateVerificationError
		plain      tls.RecordHeaderError
		name       *net.DNSError
		reply      *textproto.Error
		network    net.Error
	)
	switch {
	case errors.As(err, &unverified):
		return "its certificate is not to be trusted: " + unverified.Err.Error(), false
	case errors.As(err, &plain):
		return "it does not speak TLS there", false
	case errors.As(err, &name):
		if name.IsNotFound {
			return "no such host name is known", true
		}
		return "the name servers do not answer", true
	case errors.As(err, &reply): // of mail: 4xx is for now, 5xx for good
		return err.Error(), reply.Code < 500
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "no answer in time", true
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return err.Error(), true
	}
	return err.Error(), false
}
