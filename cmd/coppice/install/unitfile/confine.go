package unitfile

import (
	"strings"
)

// Capabilities that every run on a btrfs needs:
//   - SYS_ADMIN: mounts without a path, most ioctls of btrfs, a PID namespace for each plugin.
//   - SYS_PTRACE: /proc/PID/mountinfo of processes that have other rights. What a container has mounted must not be deleted.
//   - DAC_OVERRIDE, DAC_READ_SEARCH: folders and subvolumes of other owners.
var capabilities = []string{"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"}

// fileCapabilities are what making files with the attributes of others needs.
var fileCapabilities = []string{"CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID", "CAP_MKNOD", "CAP_SETFCAP", "CAP_LINUX_IMMUTABLE", "CAP_SYS_CHROOT"}

// everybody are settings that no playbook is in the way of.
var everybody = []string{
	"NoNewPrivileges=yes", "LockPersonality=yes", "MemoryDenyWriteExecute=yes", "RestrictRealtime=yes", "SystemCallArchitectures=native",
	"ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes", "ProtectHostname=yes", "PrivateTmp=yes", "KeyringMode=private",
}

// Confinement are the settings that keep a service to what its playbook needs.
//
// Not among them: ProtectClock, whose filter forbids adjtimex, by which a run asks whether the clock can be believed; CAP_SYS_TIME is
// gone instead, and with it every way to set the clock. ProtectProc and ProcSubset, which hide what other processes have mounted.
// PrivateDevices, which hides the filesystem's devices; DevicePolicy leaves block devices alone.
func Confinement(n Needs) string {
	var b strings.Builder
	line := func(text string) { b.WriteString(text + "\n") }
	if len(n.Foreign) > 0 {
		line("")
		line("# Only little is taken away: nobody knows what is needed for " + strings.Join(n.Foreign, ", ") + ".")
		line("LockPersonality=yes")
		line("RestrictRealtime=yes")
		line("SystemCallArchitectures=native")
		line("ProtectHostname=yes")
		return b.String()
	}
	line("")
	line("# What the playbook does not need is taken away. With other inputs it can need more: run \"coppice install\" again then.")
	for _, s := range everybody {
		line(s)
	}
	caps := capabilities
	if n.Files {
		caps = append(append([]string{}, capabilities...), fileCapabilities...)
	}
	line("CapabilityBoundingSet=" + strings.Join(caps, " "))
	if n.Files {
		line("RestrictNamespaces=pid mnt")
	} else {
		line("RestrictNamespaces=pid")
	}
	line("SystemCallFilter=@system-service @mount adjtimex")
	line("SystemCallErrorNumber=EPERM")
	line("DevicePolicy=closed")
	line("DeviceAllow=block-* rw")
	line("DeviceAllow=/dev/btrfs-control rw")
	line("ProtectSystem=strict")
	if !n.Homes {
		line("ProtectHome=yes")
	}
	if !n.Parameters {
		line("ProtectKernelTunables=yes")
	}
	if n.Speed {
		line("ReadWritePaths=/sys/fs/btrfs")
	}
	if n.Parameters {
		line("ReadWritePaths=-/etc/sysctl.d")
	}
	for _, folder := range n.Writes {
		line("ReadWritePaths=" + quoted("-"+folder))
	}
	families := "AF_UNIX"
	if n.Network {
		families += " AF_INET AF_INET6 AF_NETLINK"
	} else {
		line("PrivateNetwork=yes")
		line("IPAddressDeny=any")
	}
	line("RestrictAddressFamilies=" + families)
	return b.String()
}

// tellConfinement is that of the service that tells of a failed one: it reads nothing but its configuration.
func tellConfinement(network bool) string {
	all := append([]string{""}, everybody...)
	all = append(all, "RestrictSUIDSGID=yes", "CapabilityBoundingSet=CAP_SYS_ADMIN", "RestrictNamespaces=pid", "SystemCallFilter=@system-service",
		"SystemCallErrorNumber=EPERM", "DevicePolicy=closed", "PrivateDevices=yes", "ProtectSystem=strict", "ProtectHome=yes", "ProtectKernelTunables=yes",
		"ProtectClock=yes")
	if network {
		all = append(all, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK")
	} else {
		all = append(all, "RestrictAddressFamilies=AF_UNIX", "PrivateNetwork=yes", "IPAddressDeny=any")
	}
	return strings.Join(all, "\n") + "\n"
}
