#!/usr/bin/ash
# Gives the machine a clean root before it is mounted. Written by "coppice install boot", for mkinitcpio without systemd, which
# sources it. Whatever this comes to, boot goes on.

run_hook() {
    # The kernel that saves the memory of a crashed one may have the same initrd.
    [ -e /proc/vmcore ] && return 0
    modprobe -qa btrfs
    # shellcheck disable=SC2154 # root and rootdelay are from the kernel's command line
    resolve_device "$root" "$rootdelay" > /dev/null # which waits for it
    # Opened anew by coppice for each line, with its priority in front.
    /usr/bin/coppice run boot-rollback < /dev/null > /dev/kmsg 2>&1
    return 0
}
