#!/bin/bash
# Puts coppice into the initrd. Written by "coppice install boot", for mkinitcpio, which sources it.

build() {
    local file

    add_module btrfs
    add_binary "@PROGRAM@" /usr/bin/coppice
    for file in @CONFIGS@; do
        [[ -e $file ]] && add_file "$file"
    done
    if declare -F add_systemd_unit > /dev/null; then # the hook systemd is there, before this one
        add_file /etc/initcpio/coppice-boot-rollback.service /usr/lib/systemd/system/coppice-boot-rollback.service
        add_symlink /usr/lib/systemd/system/initrd.target.wants/coppice-boot-rollback.service ../coppice-boot-rollback.service
    else
        add_runscript
    fi
    return 0
}

help() {
    cat << HELPEOF
This hook gives the machine a clean root before it is mounted. It stands behind the hooks that make the root's device
appear (block, encrypt, lvm2 …) and behind resume.
HELPEOF
}
