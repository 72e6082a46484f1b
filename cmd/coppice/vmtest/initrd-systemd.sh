# Puts an initrd together whose process 1 is systemd, with nothing of a distribution's own in it: as NixOS' is. It runs in the tree that it takes all from,
# and leaves /initrd.img. $1 is the kernel's version, $2 the modules that it has to have.
image=/initrd
units=/usr/lib/systemd/system
mkdir -p "$image/usr/bin" "$image/usr/sbin" "$image/usr/lib" "$image/usr/lib64" "$image/etc/modules-load.d" "$image/proc" "$image/sys" "$image/dev" \
	"$image/run" "$image/tmp" "$image/var" "$image/sysroot" "$image/root"
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$image/$dir"; done
ln -s ../run "$image/var/run"

# take FILE…: those that are there, under their own paths; of a link what it leads to as well.
take() {
	for file in "$@"; do
		[ -e "$file" ] || continue
		at=$(realpath "$(dirname "$file")")/$(basename "$file")
		real=$(realpath "$file")
		mkdir -p "$image$(dirname "$at")" "$image$(dirname "$real")"
		[ -e "$image$real" ] || cp -p "$real" "$image$real"
		[ "$at" = "$real" ] || [ -e "$image$at" ] || ln -s "$real" "$image$at"
	done
}

lib=/usr/lib/systemd
programs="$lib/systemd $lib/systemd-executor $lib/systemd-journald $lib/systemd-udevd $lib/systemd-shutdown $lib/systemd-modules-load
	$lib/systemd-sysroot-fstab-check $lib/system-generators/systemd-fstab-generator
	/usr/bin/systemctl /usr/bin/journalctl /usr/bin/udevadm /usr/bin/kmod /usr/sbin/modprobe /usr/bin/mount /usr/bin/umount
	/usr/bin/sh /usr/bin/cat /usr/bin/ls /usr/bin/mkdir /usr/bin/touch /usr/bin/sync /usr/bin/sleep /usr/bin/date"
take $programs
# Their libraries, and those that newer versions of systemd open when they need them.
for program in $programs; do [ ! -e "$program" ] || ldd "$program"; done | grep -o '/[^ ]*\.so[^ ]*' | sort -u >/libraries
take $(cat /libraries) /usr/lib/*-linux-gnu/libkmod.so.2 /usr/lib/*-linux-gnu/libmount.so.1 /usr/lib/*-linux-gnu/libblkid.so.1 /usr/lib/*-linux-gnu/libzstd.so.1 \
	/usr/lib/*-linux-gnu/liblzma.so.5
ln -s "$lib/systemd" "$image/init"

for rules in 50-udev-default 60-block 60-persistent-storage 64-btrfs 80-drivers 99-systemd; do take "/usr/lib/udev/rules.d/$rules.rules"; done

for unit in basic.target sysinit.target local-fs-pre.target local-fs.target slices.target sockets.target timers.target paths.target swap.target \
	initrd.target initrd-root-device.target initrd-root-fs.target initrd-fs.target initrd-usr-fs.target initrd-cleanup.service initrd-parse-etc.service \
	initrd-switch-root.target initrd-switch-root.service initrd-udevadm-cleanup-db.service emergency.target emergency.service \
	shutdown.target umount.target final.target reboot.target systemd-reboot.service poweroff.target systemd-poweroff.service \
	systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket systemd-modules-load.service \
	systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service; do
	take "$units/$unit"
done
want() {
	mkdir -p "$image$units/$1.wants"
	ln -s "../$2" "$image$units/$1.wants/$2"
}
for unit in systemd-modules-load.service systemd-journald.service systemd-udevd.service systemd-udev-trigger.service; do want sysinit.target "$unit"; done
for unit in systemd-journald.socket systemd-journald-dev-log.socket systemd-udevd-control.socket systemd-udevd-kernel.socket; do want sockets.target "$unit"; done
ln -s initrd.target "$image$units/default.target"

cp /usr/lib/os-release "$image/etc/initrd-release" # by this file systemd knows that it is in an initrd
ln -s initrd-release "$image/etc/os-release"
grep '^root:' /etc/passwd >"$image/etc/passwd"
cp /etc/group "$image/etc/group"
echo 'root:*:19000::::::' >"$image/etc/shadow"
printf 'passwd: files\ngroup: files\n' >"$image/etc/nsswitch.conf"
: >"$image/etc/machine-id"

for module in $2; do
	modprobe -S "$1" --show-depends "$module"
	# The drivers of disks are left to udev, which finds them when it looks at the devices.
	case $module in *_blk) ;; *) echo "$module" >>"$image/etc/modules-load.d/initrd.conf" ;; esac
done | while read -r verb file _; do [ "$verb" != insmod ] || take "$file"; done
for list in modules.builtin modules.builtin.modinfo modules.order; do take "/lib/modules/$1/$list"; done
depmod -b "$image" "$1"
(cd "$image" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >/initrd.img
