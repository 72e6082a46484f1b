# Sets the stage for systemd, as PID 1 of new PID, mount, UTS and IPC namespaces, and becomes it.
set -e
root=$1 given=$2 group=$3
# What is unmounted outside vanishes here too.
mount --make-rslave /

# The namespace has inherited the throw-away filesystems of other tests. Whoever unmounts one of them wants it to be free then.
findmnt -rno TARGET -t btrfs | grep /coppice-loopfs- | while IFS= read -r other; do
	other=$(printf %b "$other")
	case $BINDS in *"$other"*) ;; *) umount -l "$other" 2>/dev/null || true ;; esac
done

# A control group of its own; the namespace must be made inside of it.
mount -t cgroup2 cgroup2 "$root"
mkdir "$root/$group"
echo 0 >"$root/$group/cgroup.procs"
umount "$root"

export root given
exec unshare --cgroup sh -c '
set -e
mount -t tmpfs tmpfs "$root" -o mode=755
cd "$root"
mkdir usr etc proc sys dev run tmp var root mnt opt old
ln -s ../run var/run
for dir in bin sbin lib lib32 lib64 libx32; do
	if [ -L "/$dir" ]; then cp -P "/$dir" .; elif [ -d "/$dir" ]; then mkdir "$dir"; mount --bind "/$dir" "$dir"; mount -o remount,bind,ro "$dir"; fi
done
mount --bind /usr usr
mount -o remount,bind,ro usr
cp -r "$given/." .
[ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache etc

# None of the units that the machine would start by itself.
mkdir run/none
for dir in usr/lib/systemd/system/*.wants usr/lib/systemd/system/*.requires usr/lib/systemd/system-generators usr/lib/systemd/system-environment-generators; do
	[ ! -d "$dir" ] || mount --bind run/none "$dir"
done

mount -t proc proc proc -o nosuid,nodev,noexec
# The sysctls are those of the kernel that all share.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs sysfs sys -o nosuid,nodev,noexec,ro
mount -t cgroup2 cgroup2 sys/fs/cgroup -o nosuid,nodev,noexec

# Device nodes of its own: systemd changes their modes.
mount -t tmpfs tmpfs dev -o mode=755,nosuid
node() { mknod -m "$1" "dev/$2" "$3" "$4" "$5"; }
node 666 null c 1 3; node 666 zero c 1 5; node 666 full c 1 7; node 666 random c 1 8; node 666 urandom c 1 9
node 666 tty c 5 0; node 600 console c 1 3; node 600 btrfs-control c 10 234
echo "$DEVICES" | while read -r name type major minor; do [ -z "$name" ] || node 600 "$name" "$type" "$major" "$minor"; done
mkdir dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666,mode=620
ln -s pts/ptmx dev/ptmx
for link in fd: stdin:/0 stdout:/1 stderr:/2; do ln -s "/proc/self/fd${link#*:}" "dev/${link%%:*}"; done

tab=$(printf "\t")
echo "$BINDS" | while IFS="$tab" read -r outside inside; do
	[ -n "$outside" ] || continue
	mkdir -p "./$(dirname "$inside")"
	if [ -d "$outside" ]; then mkdir -p "./$inside"; else : >"./$inside"; fi
	mount --bind "$outside" "./$inside"
done
if [ -n "$GORACE" ]; then # of Go programs with the race detector in them
	mkdir -p etc/systemd/system.conf.d
	printf "[Manager]\nDefaultEnvironment=\"GORACE=%s\"\n" "$GORACE" >etc/systemd/system.conf.d/detector.conf
fi
hostname test
pivot_root . old
umount -l /old
mount --make-rshared / # as systemd expects it of a container: credentials need it
exec env -i container=coppice-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd --system --unit=ready.target --log-target=journal --show-status=no </dev/null
'
