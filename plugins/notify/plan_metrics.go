package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/hbohlen/coppice/sdk"
)

const (
	metricsType = "notify.metrics"
	prefix      = "coppice_"
)

// The metrics of a run.
const (
	runFailed   = prefix + "run_failed"
	runStart    = prefix + "run_start_timestamp_seconds"
	runEnd      = prefix + "run_end_timestamp_seconds"
	runSuccess  = prefix + "run_success_timestamp_seconds"
	runDuration = prefix + "run_duration_seconds"
	runExpected = prefix + "run_expected_seconds"
)

// helps are told with the metrics: the same text in all files, or node_exporter would complain.
var helps = map[string]string{
	runFailed:   "Whether the last run has failed.",
	runStart:    "When the last run began.",
	runEnd:      "When the last run ended.",
	runSuccess:  "When a run last ended well.",
	runDuration: "How long the last run took.",
	runExpected: "How long after a success the next one is to come at the latest.",
}

const foundHelp = "As the last run of the playbook has found it."

// valueName is what the name of a value looks like.
const valueName = "^[a-z][a-z0-9_]*$"

// checkMetrics holds inputs against what Prometheus takes.
func checkMetrics(in MetricsInput) error {
	for _, name := range slices.Sorted(maps.Keys(in.Labels)) {
		if !isLabel(name) {
			return sdk.InvalidInput("/labels/"+pointer(name), "%q is no name of a label: letters, digits and _, and no digit first", name)
		}
	}
	legal := regexp.MustCompile(valueName)
	for _, name := range slices.Sorted(maps.Keys(in.Values)) {
		switch {
		case !legal.MatchString(name):
			return sdk.InvalidInput("/values/"+pointer(name), "%q is no name of a value: small letters, digits and _, beginning with a letter", name)
		case strings.HasPrefix(name, "run_"):
			return sdk.InvalidInput("/values/"+pointer(name), "%q is like a metric of the run itself: names with run_ are those of coppice", name)
		}
	}
	return nil
}

// fileName is the file for these labels: coppice_PLAYBOOK_… for a person, the rest for being different from that of other labels.
func fileName(labels map[string]string) string {
	encoded, _ := json.Marshal(labels) // in the order of the names
	sum := sha256.Sum256(encoded)
	name := "coppice"
	if playbook := regexp.MustCompile(`[^a-z0-9-]+`).ReplaceAllString(labels["playbook"], ""); playbook != "" {
		name += "_" + cut(playbook, 64)
	}
	return name + "_" + hex.EncodeToString(sum[:4]) + ".prom"
}

// metricsOf are the metrics, by name. end is zero where it is not known yet: what depends on it is left out.
func metricsOf(in MetricsInput, before metricsFacts, instant, end time.Time) map[string]float64 {
	all := map[string]float64{}
	for name, v := range in.Values {
		all[prefix+name] = v
	}
	if in.Failed == nil {
		return all
	}
	all[runFailed] = 0
	if *in.Failed {
		all[runFailed] = 1
	}
	all[runStart] = seconds(instant)
	if in.Expected > 0 {
		all[runExpected] = time.Duration(in.Expected).Seconds()
	}
	if last, ok := before.values[runSuccess]; ok && *in.Failed {
		all[runSuccess] = last
	}
	if !end.IsZero() {
		all[runEnd], all[runDuration] = seconds(end), max(end.Sub(instant), 0).Seconds()
		if !*in.Failed {
			all[runSuccess] = seconds(end)
		}
	}
	return all
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// encode writes metrics in Prometheus' text format, in the order of their names.
func encode(all map[string]float64, labels map[string]string) ([]byte, error) {
	var pairs []*dto.LabelPair
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		value := strings.ToValidUTF8(labels[name], "�")
		pairs = append(pairs, &dto.LabelPair{Name: &name, Value: &value})
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		help, found := helps[name]
		if !found {
			help = foundHelp
		}
		value := all[name]
		family := &dto.MetricFamily{Name: &name, Help: &help, Type: dto.MetricType_GAUGE.Enum(),
			Metric: []*dto.Metric{{Label: pairs, Gauge: &dto.Gauge{Value: &value}}}}
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func planMetrics(in MetricsInput, facts metricsFacts, instant time.Time) (sdk.Planned[MetricsOutput, sdk.None], error) {
	var p sdk.Planned[MetricsOutput, sdk.None]
	if err := checkMetrics(in); err != nil {
		return p, err
	}
	if facts.folderProblem != "" {
		if in.Required {
			return p, &sdk.Error{Path: "/folder", Summary: facts.folderProblem}
		}
		p.Outputs.Problem = facts.folderProblem
		p.Diagnostics = []sdk.Diagnostic{{Severity: sdk.SeverityWarning, Path: "/folder", Summary: facts.folderProblem}}
		return p, nil
	}
	path := filepath.Join(string(in.Folder), fileName(in.Labels))
	p.Outputs.File = path
	resource := sdk.Resource{Type: metricsType, Name: path}
	known := metricsOf(in, facts, instant, time.Time{})
	p.Facts = map[string]any{"file": path, "there": facts.exists}
	if in.Failed == nil {
		data, err := encode(known, in.Labels)
		if err != nil {
			return p, err
		}
		same := facts.exists && bytes.Equal(data, facts.data)
		p.Facts = map[string]any{"file": path, "same": same}
		if same {
			p.Kept = []sdk.Kept{{Resource: resource, Reason: "it says so already"}}
			return p, nil
		}
	}
	change := sdk.Change{Kind: sdk.Create, Resource: resource, Summary: fmt.Sprintf("%d metrics", len(metricsOf(in, facts, instant, instant)))}
	if facts.exists {
		change.Kind = sdk.Update
		change.Before = shown(facts.values)
	}
	change.After = shown(known)
	p.Changes = []sdk.Change{change}
	p.Unknown = []string{"/problem"}
	return p, nil
}

// shown are metrics as attributes of a change, without those that are different each time.
func shown(all map[string]float64) json.RawMessage {
	some := maps.Clone(all)
	for _, name := range []string{runStart, runEnd, runSuccess, runDuration} {
		delete(some, name)
	}
	data, err := json.Marshal(some)
	if err != nil {
		return nil
	}
	return data
}
