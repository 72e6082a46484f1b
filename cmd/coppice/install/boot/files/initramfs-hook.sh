#!/bin/sh
# Puts coppice into the initrd. Written by "coppice install boot", for initramfs-tools.
set -e

PREREQ=""
prereqs() {
	echo "$PREREQ"
}
case "${1:-}" in
prereqs)
	prereqs
	exit 0
	;;
esac

# shellcheck disable=SC1091
. /usr/share/initramfs-tools/hook-functions

if [ ! -x "@PROGRAM@" ]; then
	echo "W: coppice: there is no @PROGRAM@: this initrd will leave the root as it is" >&2
	exit 0
fi
copy_exec "@PROGRAM@" /usr/bin/coppice || [ $? = 1 ] # 1: it is there already
for file in @CONFIGS@; do
	if [ -e "$file" ]; then
		mkdir -p "$DESTDIR${file%/*}"
		cp -pL "$file" "$DESTDIR$file"
	fi
done
manual_add_modules btrfs
