package notify

import "github.com/hbohlen/coppice/sdk"

// Delivery is how hard is tried to deliver something.
type Delivery struct {
	Required bool         `json:"required" default:"false" doc:"Fail when it can't be delivered. Otherwise that is a warning, and the run goes on as if nothing had happened."`
	Attempts int          `json:"attempts" default:"3" min:"1" max:"20" doc:"How often it is tried at most. What the other side refuses is not tried again."`
	Timeout  sdk.Duration `json:"timeout" default:"10s" min:"1" doc:"How long one attempt may take."`
	Within   sdk.Duration `json:"within" default:"30s" min:"1" doc:"How long all attempts may take, with the pauses between them."`
}

// DeliveryOutput tells how a delivery ended.
type DeliveryOutput struct {
	Delivered bool   `json:"delivered" doc:"Whether it was taken by the other side; by one of them where there are several."`
	Attempts  int    `json:"attempts" doc:"How often it was tried."`
	Problem   string `json:"problem" doc:"Why it was not delivered, or not to all; empty when all is well."`
}

// deliveryUnknown are the outputs that only the delivery itself can tell.
var deliveryUnknown = []string{"/delivered", "/attempts", "/problem"}

// SendInput is the input of notify.send.
type SendInput struct {
	URL     string            `json:"url" secret:"true" doc:"The service and how it is reached, as shoutrrr writes it: ntfy://ntfy.sh/TOPIC, smtp://USER:PASSWORD@HOST:587/?from=A&to=B, generic+https://HOST/PATH, …"`
	Title   string            `json:"title" default:"" doc:"The subject. A service that has none gets it as the first line."`
	Message string            `json:"message" doc:"The text."`
	Fields  map[string]string `json:"fields" default:"{}" doc:"What else there is to say, by name; a line each below the text. Those with an empty value are left out."`
	Delivery
}

// SendOutput is the output of notify.send.
type SendOutput struct {
	Text string `json:"text" doc:"What the message says, with its fields."`
	DeliveryOutput
}

// AlertmanagerInput is the input of notify.alertmanager.
type AlertmanagerInput struct {
	URLs        []string          `json:"urls" secret:"true" doc:"Where the Alertmanagers are, all of a cluster: http://HOST:9093. A name and password in it are for basic authentication."`
	State       string            `json:"state" enum:"fire|resolve" doc:"Raise the alert, or say that it is over."`
	Alert       string            `json:"alert" doc:"The name of the alert, its label alertname."`
	Labels      map[string]string `json:"labels" default:"{}" doc:"What else tells it from other alerts. The same when it fires and when it is resolved. Those with an empty value are left out."`
	Annotations map[string]string `json:"annotations" default:"{}" doc:"What there is to say about it, such as summary and description."`
	Expires     sdk.Duration      `json:"expires" default:"7d" min:"1" doc:"How long it fires if nobody resolves it."`
	Bearer      string            `json:"bearer" default:"" secret:"true" doc:"A token, for Alertmanagers that want one."`
	Delivery
}

// AlertmanagerOutput is the output of notify.alertmanager.
type AlertmanagerOutput struct {
	Labels      map[string]string `json:"labels" doc:"The labels of the alert, with its name."`
	Annotations map[string]string `json:"annotations" doc:"What was said about it."`
	DeliveryOutput
}

// PingInput is the input of notify.ping.
type PingInput struct {
	URL      string `json:"url" secret:"true" doc:"The address that is pinged, such as https://hc-ping.com/UUID."`
	State    string `json:"state" enum:"start|success|fail" default:"success" doc:"What is told."`
	Body     string `json:"body" default:"" doc:"A text that goes along. Services keep only so much; what is longer than 10,000 bytes is cut."`
	Protocol string `json:"protocol" enum:"healthchecks|plain" default:"healthchecks" doc:"How a state is told. healthchecks adds /start or /fail to the address. plain pings the address as it is, and only for success."`
	Delivery
}

// MetricsInput is the input of notify.metrics.
type MetricsInput struct {
	Folder   sdk.Path           `json:"folder" doc:"The folder of node_exporter's textfile collector, such as /var/lib/prometheus/node-exporter. It must exist."`
	Labels   map[string]string  `json:"labels" default:"{}" doc:"Labels of all metrics. The same labels mean the same file."`
	Failed   *bool              `json:"failed" doc:"Whether the run has failed: writes the metrics of the run itself, coppice_run_…."`
	Expected sdk.Duration       `json:"expected" default:"0s" doc:"How long after a success the next one is to come at the latest: for alerts. 0s: nobody waits for it."`
	Values   map[string]float64 `json:"values" default:"{}" doc:"Numbers that the run has found, by name. free_ratio becomes the gauge coppice_free_ratio."`
	Required bool               `json:"required" default:"false" doc:"Fail when they can't be written. Otherwise that is a warning."`
}

// MetricsOutput is the output of notify.metrics.
type MetricsOutput struct {
	File    string `json:"file" doc:"The file with the metrics; empty when nothing could be written."`
	Problem string `json:"problem" doc:"Why nothing was written; empty when all is well."`
}
