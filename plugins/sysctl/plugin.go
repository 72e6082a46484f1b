// Package sysctl is the sysctl plugin: it reads and sets parameters of the running kernel, those below /proc/sys, and keeps
// files in /etc/sysctl.d that set them at each boot.
//
// It starts no program. It never follows a link out of /proc/sys, writes to nothing there that is no parameter, and touches
// no file of sysctl.d that it has not written itself. What it has set is put back when a later part of the same step fails.
//
// Words:
//
//   - Key: the name of a parameter as sysctl.d(5) has it. If the first separator is a dot, dots are slashes of the path below /proc/sys
//     and slashes are dots: net.ipv4.conf.eth0/100.forwarding. If it is a slash, the key is the path:
//     net/ipv4/conf/eth0.100/forwarding. A "-" in front: what can't be set is a warning and no failure.
//   - Path: of a parameter, below /proc/sys, without a leading slash.
//   - Name: the key with dots, as we print it.
//   - Value: text without white space around it. Fields of numbers are parted by one space, the kernel prints tabs.
//   - Pair: two parameters for one thing, a ratio and an amount. The kernel makes one 0 when the other one is set.
//   - Spread: a parameter that the kernel copies to others when it is set, such as net.ipv4.ip_forward.
//   - Side: a parameter that changes because the kernel does so when another one is set.
//   - Drop-in: a file in /etc/sysctl.d, which systemd-sysctl applies at boot.
//
// The files: schema.go for inputs and outputs; key.go, value.go, rule.go, relation.go and dropin.go for what is known without
// looking, all pure; observe*.go for what is read, plan*.go for decisions, which are pure, and apply*.go for what is written.
package sysctl

import "github.com/hbohlen/coppice/sdk"

// Version of the plugin.
const Version = "0.1.0"

// New returns the plugin.
func New() *sdk.Plugin { return newPlugin(live()) }

func newPlugin(h host) *sdk.Plugin {
	return &sdk.Plugin{
		Name:    "sysctl",
		Version: Version,
		Summary: "parameters of the running kernel, and at each boot",
		Actions: []sdk.Action{setAction(h), getAction(h), removeAction(h)},
	}
}

// host is where things are; tests put other folders there.
type host struct {
	proc tree
	// drop-ins are in these folders; a name in an earlier one hides the same name in later ones. The first is ours.
	folders []string
}

// live is the machine that the plugin runs on. The folders: sysctl.d(5).
func live() host {
	return host{proc: "/proc/sys", folders: []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}}
}

// The types of resources.
const (
	keyType  = "sysctl.key"
	fileType = "sysctl.file"
)

// locks: one for all keys, because setting one can change others. It is the machine's, whatever the network namespace.
func locks() []sdk.Lock {
	return []sdk.Lock{{Key: "sysctl", Title: "the kernel's parameters"}}
}
