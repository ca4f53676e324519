#!/usr/bin/env bash
# Tests the package that packaging/build-deb.sh has built: tests/package/run.sh [SUITE]...
#
# lintian judges it; then it is installed, upgraded, removed and purged in a fresh minimal root of each suite, by default
# that of this machine, and runs in there under a real Telegraf. What is done inside is in_root.sh. Suites that passed:
# bullseye, bookworm, trixie, and Ubuntu's focal. Needs root, debootstrap, lintian, and target/peers/telegraf;
# tests/run.sh sets all that up. A root is fetched once, from the mirror that this machine's apt uses, and kept in
# target/package/roots: a minute. The tests take 15 s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
package=$PWD/target/package
roots=$package/roots
architecture=$(dpkg --print-architecture)
telegraf=$PWD/target/peers/telegraf

die() {
    echo "tests/package/run.sh: $*" >&2
    exit 1
}

# Prints the mirror of a distribution ("Debian" or "Ubuntu") that apt uses here. Where apt knows only the other one, the
# mirror may have both, side by side.
mirror() {
    local distribution=$1 other=Debian site
    [ "$distribution" = Ubuntu ] || other=Ubuntu
    site=$(sites "$distribution")
    if [ -z "$site" ]; then
        site=$(sites "$other")
        site=${site/%"${other,,}/"/"${distribution,,}/"}
    fi
    [ -n "$site" ] || die "apt knows no mirror of $distribution"
    echo "$site"
}

sites() {
    # shellcheck disable=SC2016 # apt expands it
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Origin: $1" "Label: $1" | sort -u | head -1
}

# Makes a root of a suite, once.
fetch_root() {
    local suite=$1 distribution=Debian new=$roots/$1.new
    [ ! -e "$roots/$suite.tar" ] || return 0
    # debootstrap has one script for all suites of Ubuntu, under the name of its first.
    [[ "$(readlink --canonicalize "/usr/share/debootstrap/scripts/$suite")" != */gutsy ]] || distribution=Ubuntu
    echo "Fetching a root of $suite"
    rm -rf "$new"
    mkdir -p "$roots"
    debootstrap --force-check-gpg --variant=minbase "$suite" "$new" "$(mirror "$distribution")" >"$roots/$suite.log" 2>&1 ||
        die "debootstrap could not make a root of $suite: $(tail -1 "$roots/$suite.log")"
    tar --directory "$new" --create --file "$roots/$suite.tar.new" .
    mv "$roots/$suite.tar.new" "$roots/$suite.tar"
    rm -rf "$new"
}

# The same package with a higher version, as the next release will be; "$2" is added to its sample configuration.
next_release() {
    local version=$1 added=$2 tree
    tree=$(mktemp --directory --tmpdir="$work")
    dpkg-deb --raw-extract "$work/first.deb" "$tree"
    sed -i "s/^Version: .*/Version: $version/" "$tree/DEBIAN/control"
    printf '%s' "$added" >>"$tree/etc/telegraf-pm500/config.toml"
    dpkg-deb --root-owner-group --build "$tree" "$work/$version.deb" >/dev/null
    rm -rf "$tree"
}

test_in() {
    local suite=$1 begun=$SECONDS root=$work/$1
    fetch_root "$suite"
    mkdir "$root"
    tar --directory "$root" --extract --numeric-owner --file "$roots/$suite.tar"
    install -m 0755 "$telegraf" "$root/usr/bin/telegraf"
    install -m 0755 tests/package/in_root.sh "$root/srv/"
    cp "$work/first.deb" "$work/1000.deb" "$work/1001.deb" "$root/srv/"
    echo "In a root of $suite:"
    # Its own processes, its own network with nothing but the loopback, its own mounts.
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --net --pid --fork --kill-child bash -c '
        ip link set lo up
        mount --types proc proc "$1/proc"
        exec chroot "$1" /usr/bin/env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root /srv/in_root.sh
    ' bash "$root" || die "the package failed in a root of $suite"
    rm -rf "$root"
    echo "  took $((SECONDS - begun)) s"
}

[ "$(id -u)" -eq 0 ] || die "needs root to make roots of other releases"
for needed in debootstrap lintian unshare ip; do
    command -v $needed >/dev/null || die "$needed is missing; tests/run.sh installs it"
done
[ -x "$telegraf" ] || die "$telegraf is missing; tests/run.sh builds it"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
built=$package/telegraf-pm500_${version}_$architecture.deb
[ -e "$built" ] || die "$built is missing; packaging/build-deb.sh $architecture builds it"

echo "Of $built lintian says:"
# Whether lintian likes to be run as root is not the question, nor whether somebody who publishes the package has put an
# address into it yet.
lintian --suppress-tags malformed-contact,bogus-mail-host-in-debian-changelog --fail-on error,warning "$built" 2>/dev/null || die "lintian has found something"
echo "  no error, no warning"

contents=$(dpkg-deb --contents "$built")
while read -r file; do
    grep -q "/examples/$file\$" <<<"$contents" || die "telegraf/$file is not in the package"
done < <(find telegraf -type f -printf '%P\n')

work=$(mktemp --directory --tmpdir="$package" test.XXXXXX)
trap 'rm -rf "$work"' EXIT
cp "$built" "$work/first.deb"
next_release 1000 ''
next_release 1001 $'\n## A new option.\n# new = true\n'
[ $# -gt 0 ] || set -- "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)"
for suite in "$@"; do
    test_in "$suite"
done
echo "The package: $(stat --format %s "$built") bytes"
