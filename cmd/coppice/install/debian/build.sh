#!/usr/bin/env bash
# build.sh FOLDER: build the Debian package of coppice into a folder, and print its path.
#
# The version is that of the last tag vX.Y.Z, or 0.0.0~gitDATE.COMMIT before the first one. The dates in it are
# those of the commit. COMPRESSION has options of dpkg-deb in the place of -Zxz.
set -eu
out=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
cd "$here/../../../.."
umask 022
export LC_ALL=C TZ=UTC

commit=$(git rev-parse --short=12 HEAD)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d.%H%M%S)
if tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
	version=${tag#v}
	[ "$(git rev-list -n 1 "$tag")" = "$(git rev-parse HEAD)" ] || version=$version+git$date.$commit
else
	version=0.0.0~git$date.$commit
fi
[ -z "$(git status --porcelain --untracked-files=no)" ] || version=$version+modified
architecture=$(go env GOARCH)
case "$architecture" in
amd64 | arm64 | riscv64 | s390x) ;;
386) architecture=i386 ;;
ppc64le) architecture=ppc64el ;;
*)
	echo "build.sh: no name in Debian for $architecture" >&2
	exit 1
	;;
esac

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
put() { install -D -m "$1" "$2" "$root/$3"; } # put MODE FILE PATH
compress() { gzip -9n "$root/$1"; }

# The program.
CGO_ENABLED=0 go build -trimpath -tags "$(cat cmd/coppice/tags)" -ldflags "-s -w -X main.release=$version" -o "$root/usr/bin/coppice" ./cmd/coppice

# What shells and man know of it.
for shell in bash zsh fish; do "$root/usr/bin/coppice" completion $shell >"$root/$shell"; done
put 0644 "$root/bash" usr/share/bash-completion/completions/coppice
put 0644 "$root/zsh" usr/share/zsh/vendor-completions/_coppice
put 0644 "$root/fish" usr/share/fish/vendor_completions.d/coppice.fish
rm "$root/bash" "$root/zsh" "$root/fish"
mkdir -p "$root/usr/share/man/man1"
GOARCH=$(go env GOHOSTARCH) go run -tags man ./cmd/coppice "$version" "$SOURCE_DATE_EPOCH" "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*.1

# Rules for Prometheus, and the documents: how-to pages, and the shipped playbooks to read. (Coppice has them inside.)
put 0644 cmd/coppice/install/prometheus/coppice.rules.yml usr/share/coppice/coppice.rules.yml
doc=usr/share/doc/coppice
put 0644 README.md $doc/README.md
put 0644 docs/CHANGELOG.md $doc/CHANGELOG.md
compress $doc/CHANGELOG.md
for page in $(git ls-files 'docs/*.md' 'docs/reference/schema/*'); do
	[ "$page" = docs/CHANGELOG.md ] || put 0644 "$page" "$doc/$page"
done
for file in playbooks/*.yaml; do put 0644 "$file" "$doc/$file"; done
cat >"$root/$doc/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: coppice
Source: https://github.com/hbohlen/coppice

Files: *
Copyright: 2025-$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y) the authors of coppice
License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
END
maintainer="hbohlen <hbohlen@users.noreply.github.com>"
cat >"$root/$doc/changelog" <<END
coppice ($version) unstable; urgency=medium

  * Built from commit $commit. What has changed for those who use it is in
    CHANGELOG.md.gz.

 -- $maintainer  $(date -u -d "@$SOURCE_DATE_EPOCH" -R)
END
compress $doc/changelog
install -D -m 0644 "$here/lintian-overrides" "$root/usr/share/lintian/overrides/coppice"

# Where playbooks, inputs and secrets of this machine will be. Nothing in them: until somebody says so, coppice does nothing.
install -d -m 0755 "$root/etc/coppice/playbooks" "$root/etc/coppice/inputs"
install -d -m 0700 "$root/etc/coppice/credentials"

size=$(du -k -s --apparent-size "$root" | cut -f1)
install -d "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: coppice
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $size
Recommends: btrfs-progs
Suggests: openssh-client, prometheus-node-exporter
Section: admin
Priority: optional
Homepage: https://github.com/hbohlen/coppice
Description: executes storage playbooks on servers with btrfs
 A playbook is a file of steps: snapshots on a schedule, backups to another
 machine, scrub and balance when they are due, a clean root at each boot.
 coppice shows what a playbook would do to this machine, line by line and with
 the reason for each; then it does just that. A rehearsal executes it on a
 throw-away copy of the layout.
 .
 Installing the package starts nothing and changes nothing: there are no
 timers until "coppice install" makes some.
END
install -m 0755 "$here/prerm" "$here/postrm" "$root/DEBIAN/"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
chmod 0644 "$root/DEBIAN/md5sums" "$root/DEBIAN/control"

package=$out/coppice_${version}_$architecture.deb
dpkg-deb --root-owner-group ${COMPRESSION:--Zxz} --build "$root" "$package" >&2
echo "$package"
