# Builds an initrd as a distribution does, in a mount namespace of its own: initrd.sh OUT KIND VERSION MODULES TREE FILES SCRIPT.
# OUT is the image. KIND is systemd (put together by SCRIPT), dracut or initramfs-tools; VERSION the kernel's; MODULES those it has to have;
# TREE the tar file of a Debian; FILES a folder whose content is copied over it before. Nothing else is left behind.
set -eu
out=$1 kind=$2 version=$3 modules=$4 tree=$5 files=$6 script=$7
mount --make-rslave /
# The namespace has inherited the throw-away filesystems of other tests. Whoever unmounts one of them wants it to be free then.
findmnt -rno TARGET -t btrfs | grep /coppice-loopfs- | while IFS= read -r other; do
	umount -l "$(printf %b "$other")" 2>/dev/null || true
done
work=$(mktemp -d "$out.XXXXXX")
trap 'umount -R -l "$work" 2>/dev/null || true; rmdir "$work"' EXIT
mount -t tmpfs -o mode=755 tmpfs "$work"
tar -C "$work" --numeric-owner -xf "$tree"
cp -r --preserve=mode,links "$files/." "$work/"
mount -t proc proc "$work/proc"
mount -t sysfs -o ro sysfs "$work/sys"
mount -t tmpfs -o mode=755 tmpfs "$work/dev"
mknod -m 666 "$work/dev/null" c 1 3
mknod -m 666 "$work/dev/zero" c 1 5
mknod -m 666 "$work/dev/urandom" c 1 9
ln -s /proc/self/fd "$work/dev/fd"
mkdir "$work/dev/shm"
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
case $kind in
systemd)
	chroot "$work" sh -euc "$script" initrd "$version" "$modules"
	;;
dracut)
	# No host-only image: the machine that it is for is another one.
	chroot "$work" dracut --force --quiet --no-hostonly --no-hostonly-cmdline --no-early-microcode --no-compress --drivers "$modules" --kver "$version" \
		/initrd.img "$version"
	;;
initramfs-tools)
	sed -i 's/^MODULES=.*/MODULES=list/' "$work/etc/initramfs-tools/initramfs.conf"
	echo "$modules" | tr ' ' '\n' >>"$work/etc/initramfs-tools/modules"
	chroot "$work" mkinitramfs -c zstd -o /initrd.img "$version"
	;;
esac
cp "$work/initrd.img" "$out"
