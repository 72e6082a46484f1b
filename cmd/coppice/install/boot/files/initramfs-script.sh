#!/bin/sh
# Gives the machine a clean root before it is mounted. Written by "coppice install boot", for initramfs-tools. Whatever this
# comes to, boot goes on.

# After all devices of the filesystem are known, and after a machine that hibernates has resumed.
PREREQ="btrfs resume"
prereqs() {
	echo "$PREREQ"
}
case "${1:-}" in
prereqs)
	prereqs
	exit 0
	;;
esac

# The kernel that saves the memory of a crashed one may have the same initrd.
if [ -e /proc/vmcore ] || grep -q elfcorehdr= /proc/cmdline; then
	exit 0
fi

modprobe -q btrfs || :
# These scripts run before the one that waits for the root's device.
if [ -n "${ROOT:-}" ]; then
	# shellcheck disable=SC1091
	. /scripts/functions
	# shellcheck disable=SC1091
	. /scripts/local
	local_device_setup "$ROOT" "root file system" false || :
fi

# Opened anew by coppice for each line, with its priority in front.
/usr/bin/coppice run boot-rollback </dev/null >/dev/kmsg 2>&1 || :
exit 0
