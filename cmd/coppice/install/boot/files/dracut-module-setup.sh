#!/bin/bash
# Gives the machine a clean root before it is mounted. Written by "coppice install boot", for dracut, which sources it.
# shellcheck disable=SC2154 # variables that are assigned nowhere are dracut's

# called by dracut
check() {
    # The initrd that saves the memory of a crashed kernel is made with the same modules.
    [[ ${IN_KDUMP-} == 1 ]] && return 1
    local asked=" ${dracutmodules-} ${add_dracutmodules-} ${force_add_dracutmodules-} "
    [[ $asked == *" kdump "* || $asked == *" kdumpbase "* ]] && return 1
    # It mounts nothing.
    [[ ${mount_needs-} ]] && return 1

    require_binaries "@PROGRAM@" || return 1

    # An initrd for this machine alone: only if something that it mounts is a btrfs.
    if [[ ${hostonly-} ]]; then
        local fs
        for fs in "${host_fs_types[@]}"; do
            [[ $fs == btrfs ]] && return 0
        done
        return 255
    fi
    return 0
}

# called by dracut
depends() {
    # With btrfs-progs dracut waits for all devices of a filesystem that has several.
    command -v btrfs > /dev/null && echo btrfs
    return 0
}

# called by dracut
installkernel() {
    hostonly='' instmods btrfs
}

# called by dracut
install() {
    inst_binary "@PROGRAM@" /usr/bin/coppice
    inst_multiple -o @CONFIGS@
    if dracut_module_included systemd; then
        inst_simple "$moddir/coppice-boot-rollback.service" "$systemdsystemunitdir/coppice-boot-rollback.service"
        $SYSTEMCTL -q --root "$initdir" add-wants initrd.target coppice-boot-rollback.service
    else
        inst_hook pre-mount 20 "$moddir/coppice-boot-rollback.sh"
    fi
}
