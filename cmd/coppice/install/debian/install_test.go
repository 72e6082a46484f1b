package debian

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// scene installs the package on top of this machine, in a mount namespace where whatever is written goes to a file system in memory, and
// removes it again.
const scene = `set -eu
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
for d in proc dev; do mount --rbind /$d /mnt/root/$d; done
for d in run tmp; do mount -t tmpfs none /mnt/root/$d; done
cp "$PACKAGE" /mnt/root/tmp/coppice.deb
inside() { chroot /mnt/root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
inside dpkg --no-triggers -i /tmp/coppice.deb >/dev/null
echo "version: $(inside coppice version | head -n 1)"
echo "status: $(inside dpkg-query -W -f '${db:Status-Abbrev}' coppice)"
echo "verify: $(inside dpkg -V coppice)"
echo "made: $(inside find /etc/systemd/system /etc/cron.d -name '*coppice*' | wc -l) units"
inside coppice list >/dev/null

# A timer that somebody has made.
unit=/etc/systemd/system/coppice-snapshot-rotation.timer
inside sh -c "mkdir -p /etc/systemd/system/timers.target.wants /var/lib/coppice/runs /etc/coppice/inputs
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >$unit
ln -s $unit /etc/systemd/system/timers.target.wants/
echo 'retention: 14d' >/etc/coppice/inputs/snapshot-rotation.yaml
mkdir -p /etc/initramfs-tools/hooks && touch /etc/initramfs-tools/hooks/coppice"
inside dpkg --no-triggers -r coppice >/dev/null 2>/tmp/removed || { cat /tmp/removed; exit 1; }
echo "removed: $(grep '^coppice:' /tmp/removed)"
rm /mnt/root/etc/initramfs-tools/hooks/coppice
for f in $unit /etc/systemd/system/timers.target.wants/coppice-snapshot-rotation.timer /etc/coppice/inputs/snapshot-rotation.yaml /var/lib/coppice/runs /usr/bin/coppice; do
	[ ! -e "/mnt/root$f" ] || echo "still there: $f"
done
inside dpkg --no-triggers -P coppice >/dev/null 2>&1
[ ! -e /mnt/root/var/lib/coppice ] || echo "still there: /var/lib/coppice"
rm /mnt/root$unit; rm -r /mnt/root/etc/coppice
# What is left of it anywhere, except in the records of dpkg.
cd /mnt/upper
find . -name '*coppice*' -not -type c -not -path './var/lib/dpkg/*' -not -path './tmp/*' | sed 's/^/left: /'
`

// Installing starts nothing; removing leaves nothing but what somebody has made.
func TestInstall(t *testing.T) {
	need.Root(t)
	file := pack(t)
	require(t, "dpkg")
	c := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-c", strings.ReplaceAll(scene, "/tmp/removed", "/mnt/removed"))
	c.Env = append(os.Environ(), "PACKAGE="+file)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	version := strings.TrimSpace(run(t, "dpkg-deb", "-f", file, "Version"))
	want := "version: coppice " + version + `
status: ii 
verify: 
made: 0 units
removed: coppice: coppice-snapshot-rotation.timer is switched off, as its program goes
coppice: the initrd has a coppice of its own, which goes on giving the machine a clean root
still there: /etc/systemd/system/coppice-snapshot-rotation.timer
still there: /etc/coppice/inputs/snapshot-rotation.yaml
still there: /var/lib/coppice/runs
`
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}
