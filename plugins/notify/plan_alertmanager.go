package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hbohlen/coppice/sdk"
)

const alertType = "notify.alert"

// alert is one alert of Alertmanager's API, version 2.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt,omitzero"`
	EndsAt      time.Time         `json:"endsAt,omitzero"`
}

// alertOf is the alert of the inputs. From when to when it lasts is added when it is sent.
func alertOf(in AlertmanagerInput) (alert, error) {
	a := alert{Labels: map[string]string{"alertname": in.Alert}, Annotations: filled(in.Annotations)}
	if in.Alert == "" {
		return a, sdk.InvalidInput("/alert", "an alert has a name")
	}
	for _, name := range slices.Sorted(maps.Keys(in.Labels)) {
		switch {
		case name == "alertname":
			return a, sdk.InvalidInput("/labels/alertname", "the label alertname is what the input alert says")
		case !isLabel(name):
			return a, sdk.InvalidInput("/labels/"+pointer(name), "%q is no name of a label: letters, digits and _, and no digit first", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in.Annotations)) {
		if !isLabel(name) {
			return a, sdk.InvalidInput("/annotations/"+pointer(name), "%q is no name of an annotation: letters, digits and _, and no digit first", name)
		}
	}
	maps.Copy(a.Labels, filled(in.Labels))
	return a, nil
}

// filled leaves out what is empty.
func filled(all map[string]string) map[string]string {
	some := maps.Clone(all)
	maps.DeleteFunc(some, func(_, v string) bool { return v == "" })
	return some
}

// isLabel reports whether a name is one that every version of Prometheus takes for a label.
func isLabel(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != "" && !strings.HasPrefix(s, "__")
}

// pointer escapes a name for a JSON pointer.
func pointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// alertmanagers are the addresses of the inputs.
func alertmanagers(in AlertmanagerInput) ([]address, error) {
	if len(in.URLs) == 0 {
		return nil, sdk.InvalidInput("/urls", "no Alertmanager is named")
	}
	var all []address
	for i, raw := range in.URLs {
		a, err := parseAddress(raw, in.Bearer)
		if err != nil {
			return nil, sdk.InvalidInput(fmt.Sprintf("/urls/%d", i), "%v", err)
		}
		if a.user != nil && in.Bearer != "" {
			return nil, sdk.InvalidInput("/bearer", "there is a token, and a name and password in the URL of %s: it can only be one of them", a.hostname)
		}
		all = append(all, a)
	}
	return all, nil
}

func planAlert(in AlertmanagerInput) (sdk.Planned[AlertmanagerOutput, sdk.None], error) {
	p := sdk.Planned[AlertmanagerOutput, sdk.None]{Unknown: deliveryUnknown}
	a, err := alertOf(in)
	if err != nil {
		return p, err
	}
	p.Outputs.Labels, p.Outputs.Annotations = a.Labels, a.Annotations
	places, err := alertmanagers(in)
	if err != nil {
		p.Unknown = nil
		p.Diagnostics, err = unusable(in.Required, err)
		p.Outputs.DeliveryOutput = told(p.Diagnostics)
		return p, err
	}
	var hosts []string
	for _, place := range places {
		hosts = append(hosts, place.hostname)
	}
	after, err := json.Marshal(struct {
		State string `json:"state"`
		alert
	}{in.State, a})
	if err != nil {
		return p, err
	}
	what := "raise the alert"
	if in.State == "resolve" {
		what = "resolve the alert"
	}
	p.Changes = []sdk.Change{{
		Kind:     sdk.Run,
		Resource: sdk.Resource{Type: alertType, Name: in.Alert},
		Summary:  what + " in Alertmanager at " + strings.Join(hosts, ", "),
		After:    after,
	}}
	return p, nil
}

// alertRequest is what is sent to one Alertmanager.
func alertRequest(place address, in AlertmanagerInput, a alert, instant, now time.Time) (request, error) {
	// Without an end Alertmanager takes an alert for over after five minutes: it expects to be told again and again.
	if in.State == "fire" {
		a.StartsAt, a.EndsAt = instant, instant.Add(time.Duration(in.Expires))
	} else {
		a.EndsAt = now
	}
	body, err := json.Marshal([]alert{a})
	if err != nil {
		return request{}, err
	}
	u := *place.url
	u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(u.Path, "/")+"/api/v2/alerts", "", ""
	return request{method: "POST", url: &u, user: place.user, bearer: in.Bearer, contentType: "application/json", body: string(body)}, nil
}
