package report

import (
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

// diagnostic puts a warning or an error: what, and on lines of their own why, where and what to do.
func (f *form) diagnostic(p *page, indent int, d sdk.Diagnostic) {
	sign, style := "✗ ", red
	if d.Severity == sdk.SeverityWarning {
		sign, style = "⚠ ", yellow
	}
	p.wrap(line{}.pad(indent).add(style, sign), style, f.clean(d.Summary))
	detail := func(name, text string) {
		if text != "" {
			p.wrap(line{}.pad(indent+2).add(dim, name), plain, f.clean(text))
		}
	}
	detail("reason  ", why(d))
	detail("input   ", place(d))
	detail("advice  ", d.Advice)
}

// why is the reason of an error, where it says more than the error does.
func why(d sdk.Diagnostic) string {
	switch d.Reason {
	case sdk.NotPermitted, sdk.Drifted, sdk.Busy:
		return string(d.Reason)
	}
	return ""
}

// place is the input that a diagnostic is about, and where it stands in the playbook.
func place(d sdk.Diagnostic) string {
	if d.Path == "" {
		return ""
	}
	name := strings.ReplaceAll(strings.TrimPrefix(d.Path, "/"), "/", ".")
	name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~") // RFC 6901 §4
	if d.At != "" {
		name += " at " + d.At
	}
	return name
}

// oneLine is a diagnostic for a log.
func (f *form) oneLine(d sdk.Diagnostic) string {
	text := d.Summary
	var about []string
	if reason := why(d); reason != "" {
		about = append(about, reason)
	}
	if d.Path != "" {
		about = append(about, "input "+place(d))
	}
	if len(about) > 0 {
		text += " (" + strings.Join(about, ", ") + ")"
	}
	if d.Advice != "" {
		text += "; advice: " + d.Advice
	}
	return f.clean(text)
}

// firstError is the summary of the first error; "" if there is none.
func firstError(all []sdk.Diagnostic) string {
	for _, d := range all {
		if d.Severity != sdk.SeverityWarning {
			return d.Summary
		}
	}
	return ""
}
