# Builds what a virtual machine starts from, in a mount namespace of its own: build.sh OUT DISK KERNEL PACKAGES MODULES.
# OUT is an empty folder. It then holds vmlinuz, kernel (its version) and modules/ (those of MODULES and what they need, by name in
# the order of loading), and root.tar. Debian goes into subvolume root of the btrfs that is mounted at DISK, and into that file. All else
# vanishes with the namespace.
set -eu
out=$1 disk=$2 kernel=$3 packages=$4 modules=$5
mount --make-rslave /
# The namespace has inherited the throw-away filesystems of other tests. Whoever unmounts one of them wants it to be free then.
findmnt -rno TARGET -t btrfs | grep /coppice-loopfs- | grep -vxF "$disk" | while IFS= read -r other; do
	umount -l "$(printf %b "$other")" 2>/dev/null || true
done
mkdir "$out/work"
mount -t tmpfs -o mode=755 tmpfs "$out/work" # where dpkg's fsync costs nothing
cd "$out/work"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C TMPDIR=$PWD

real=$(apt-cache depends "$kernel" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$real" ] || { apt-get -qq -o Acquire::Retries=5 update; real=$(apt-cache depends "$kernel" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1); }
mkdir kernel
(cd kernel && apt-get -qq -o Acquire::Retries=5 -o APT::Sandbox::User=root download "$real" && dpkg-deb -x ./*.deb . && rm ./*.deb)
version=$(basename kernel/lib/modules/*)
echo "$version" >"$out/kernel"
cp "kernel/boot/vmlinuz-$version" "$out/vmlinuz"

for sources in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do [ ! -s "$sources" ] || break; done
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
merged=/usr/share/mmdebstrap/hooks/merged-usr
[ "$suite" = bookworm ] && [ -d "$merged" ] || merged=
mmdebstrap --quiet --mode=root --format=directory --variant=minbase --include="$packages" ${merged:+--hook-dir=$merged} \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/lib/udev/hwdb.d/*' --dpkgopt=force-unsafe-io \
	--aptopt='Acquire::Retries "5"' --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' "$suite" tree "$sources"
rm -rf tree/var/cache/apt tree/var/lib/apt/lists/* tree/usr/lib/udev/hwdb.bin

mkdir -p tree/lib/modules
cp -a "kernel/lib/modules/$version" tree/lib/modules/
(cd "tree/lib/modules/$version/kernel" && rm -rf drivers/net/ethernet drivers/infiniband drivers/gpu drivers/usb drivers/video drivers/nvme sound)
cp "kernel/boot/config-$version" tree/boot/
chroot tree depmod "$version"
mkdir "$out/modules"
n=100
for module in $modules; do chroot tree modprobe -S "$version" --show-depends "$module"; done | while read -r verb file _; do
	[ "$verb" = insmod ] && [ -z "$(find "$out/modules" -name "*-$(basename "$file")")" ] || continue
	n=$((n + 1))
	cp "tree$file" "$out/modules/$n-$(basename "$file")"
done

echo machine >tree/etc/hostname
echo '127.0.0.1 localhost machine' >tree/etc/hosts
echo 0123456789abcdef0123456789abcdef >tree/etc/machine-id # the journal's folder is the same in each boot
mkdir -p tree/etc/systemd/journald.conf.d
printf '[Journal]\nStorage=persistent\nSyncIntervalSec=1s\nRateLimitIntervalSec=0\n' >tree/etc/systemd/journald.conf.d/test.conf
mkdir -p tree/etc/systemd/system.conf.d
printf '[Manager]\nDefaultTimeoutStartSec=10min\nDefaultDeviceTimeoutSec=10min\n' >tree/etc/systemd/system.conf.d/test.conf # a slow machine is none that fails
ln -sf /usr/lib/systemd/system/multi-user.target tree/etc/systemd/system/default.target
# None of these is under test, and each takes time that emulation makes long.
for unit in getty@tty1.service serial-getty@ttyS0.service systemd-hwdb-update.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	fstrim.timer e2scrub_all.timer e2scrub_reap.service systemd-networkd-wait-online.service ldconfig.service systemd-pcrphase.service \
	systemd-pcrphase-sysinit.service systemd-random-seed.service systemd-update-utmp.service systemd-update-utmp-runlevel.service remote-fs.target \
	dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
	kmod-static-nodes.service modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
	modprobe@loop.service systemd-sysusers.service systemd-pstore.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
	systemd-modules-load.service systemd-ask-password-wall.path systemd-ask-password-console.path dracut-shutdown.service \
	systemd-logind.service systemd-user-sessions.service; do
	ln -sf /dev/null "tree/etc/systemd/system/$unit"
done
mkdir -p tree/etc/systemd/system-generators
for generator in tree/usr/lib/systemd/system-generators/*; do
	[ "${generator##*/}" = systemd-fstab-generator ] || ln -s /dev/null "tree/etc/systemd/system-generators/${generator##*/}"
done

btrfs -q subvolume create "$disk/root"
cp -a tree/. "$disk/root/"
tar -C tree --numeric-owner -cf "$out/root.tar" .
cd /
umount "$out/work"
rmdir "$out/work"
