package sysctl

import "encoding/json"

// SetInput is the input of sysctl.set.
type SetInput struct {
	Values  map[string]json.RawMessage `json:"values" doc:"Value of each key. Several numbers are a list, or text with spaces. A key with \"-\" in front may be missing or not settable: then there is a warning."`
	DropIn  string                     `json:"drop_in,omitempty" pattern:"^([A-Za-z0-9][A-Za-z0-9_.-]{0,200}\\.conf)?$" doc:"Name of a file in /etc/sysctl.d, such as 60-coppice.conf, that sets the same values at each boot, and nothing else. Left out or empty: none."`
	Running *bool                      `json:"running,omitempty" default:"true" doc:"Whether to set the running values; false: only the file."`
}

// SetOutput is the output of sysctl.set.
type SetOutput struct {
	Values   map[string]string `json:"values" doc:"Running value of each key after the step, by its name with dots. Keys that are not there are missing."`
	Previous map[string]string `json:"previous" doc:"Running value of each before it."`
	File     string            `json:"file" doc:"Path of the drop-in; empty: none."`
}

// GetInput is the input of sysctl.get.
type GetInput struct {
	Keys []string `json:"keys" min:"1" doc:"The keys. One with \"-\" in front may be missing."`
}

// GetOutput is the output of sysctl.get.
type GetOutput struct {
	Values map[string]string `json:"values" doc:"Running value of each key, by its name with dots: vm.swappiness, net.ipv4.conf.eth0/100.forwarding."`
}

// RemoveInput is the input of sysctl.remove.
type RemoveInput struct {
	DropIn string `json:"drop_in" pattern:"^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}\\.conf$" doc:"Name of a file in /etc/sysctl.d that sysctl.set has written."`
}

// RemoveOutput is the output of sysctl.remove.
type RemoveOutput struct {
	File string `json:"file" doc:"Path of the file, which is not there any more."`
}
