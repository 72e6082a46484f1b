package diagnostic

import (
	"net/url"
	"path/filepath"
	"strings"
)

// SARIF is the log of a check in the Static Analysis Results Interchange Format, version 2.1.0
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), for encoding/json. Columns count Unicode characters.
func SARIF(list List, version string) any {
	type text struct {
		Text string `json:"text"`
	}
	type rule struct {
		ID    string `json:"id"`
		Short text   `json:"shortDescription"`
	}
	type region struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"` // behind the last character
	}
	type artifact struct {
		URI string `json:"uri"`
	}
	type physical struct {
		Artifact artifact `json:"artifactLocation"`
		Region   *region  `json:"region,omitempty"`
	}
	type location struct {
		Physical physical `json:"physicalLocation"`
	}
	type result struct {
		Rule      string     `json:"ruleId"`
		Level     string     `json:"level"`
		Message   text       `json:"message"`
		Locations []location `json:"locations"`
	}
	type driver struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Rules   []rule `json:"rules"`
	}
	type tool struct {
		Driver driver `json:"driver"`
	}
	type run struct {
		Tool       tool     `json:"tool"`
		ColumnKind string   `json:"columnKind"`
		Results    []result `json:"results"`
	}
	type log struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []run  `json:"runs"`
	}
	one := run{Tool: tool{driver{Name: "coppice", Version: version, Rules: []rule{}}}, ColumnKind: "unicodeCodePoints", Results: []result{}}
	for _, c := range codes {
		one.Tool.Driver.Rules = append(one.Tool.Driver.Rules, rule{string(c.Code), text{c.Explain}})
	}
	for _, d := range list.Sorted() {
		place := physical{Artifact: artifact{fileURI(d.File)}}
		if d.Pos.IsValid() {
			place.Region = &region{d.Pos.Line, d.Pos.Column, d.Pos.Column + max(d.Length, 1)}
		}
		message := d.Message
		if len(d.Allowed) > 0 {
			message += " (allowed: " + strings.Join(d.Allowed, ", ") + ")"
		}
		if d.Suggestion != "" {
			message += "; " + d.Suggestion
		}
		one.Results = append(one.Results, result{string(d.Code), d.Severity.String(), text{message}, []location{{place}}})
	}
	return log{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []run{one}}
}

// fileURI is a relative reference for a relative path, else a file URI.
func fileURI(file string) string {
	u := url.URL{Path: filepath.ToSlash(file)}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
	}
	return u.String()
}
