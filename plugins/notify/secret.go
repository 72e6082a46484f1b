package notify

import (
	"net/url"
	"slices"
	"strings"
)

const (
	maskText       = "••••"
	shortestPart   = 3
	shortestOption = 6   // of the values behind the "?" most are yes, no, http or high
	longestReason  = 300 // characters of a text from elsewhere
)

// secrets are the texts that must not be told.
type secrets []string

// secretsOf are the texts of URLs, or other secrets, and of all parts of URLs but those in shown.
func secretsOf(texts []string, shown ...string) secrets {
	var all secrets
	add := func(s string) {
		if len(s) >= shortestPart && !slices.Contains(shown, s) {
			all = append(all, s, url.QueryEscape(s), url.PathEscape(s))
		}
	}
	for _, text := range texts {
		add(text)
		u, err := url.Parse(text)
		if err != nil {
			for _, part := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("/:@?&=#", r) }) {
				add(part)
			}
			continue
		}
		add(u.Host)
		add(u.Hostname())
		add(u.User.String())
		add(u.User.Username())
		password, _ := u.User.Password()
		add(password)
		for _, part := range strings.Split(u.Path, "/") {
			add(part)
		}
		add(strings.Trim(u.Path, "/"))
		add(u.Opaque)
		add(u.Fragment)
		add(u.RawQuery)
		for _, values := range u.Query() {
			for _, v := range values {
				if len(v) >= shortestOption {
					add(v)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// clean makes one short line of a text from elsewhere, without secrets.
func (s secrets) clean(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, maskText)
	}
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longestReason {
		text = string(runes[:longestReason]) + "…"
	}
	return text
}
