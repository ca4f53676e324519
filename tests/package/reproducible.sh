#!/usr/bin/env bash
# Builds the package of the newest commit twice, in two clones in different places and for two different users' settings,
# and compares the bytes: tests/package/reproducible.sh [amd64] [arm64]. Took 18 min on two busy cores, nearly all of it compiling.
# Needs what packaging/build-deb.sh needs, which also has to have run once: the clones share its tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
repository=$PWD
commit=$(git rev-parse HEAD)
tools=$PWD/target/package/tools

die() {
    echo "tests/package/reproducible.sh: $*" >&2
    exit 1
}

build_in() {
    local clone=$1
    shift
    git clone --quiet --no-checkout "$repository" "$clone"
    git -C "$clone" checkout --quiet --detach "$commit"
    mkdir -p "$clone/target/package"
    ln -s "$tools" "$clone/target/package/tools"
    (cd "$clone" && packaging/build-deb.sh "$@" >"$clone.log" 2>&1) || die "no package: $(tail -3 "$clone.log")"
}

[ -d "$tools" ] || die "run packaging/build-deb.sh first"
[ $# -gt 0 ] || set -- amd64
work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT
(
    umask 022
    build_in "$work/one" "$@"
)
(
    umask 077
    export LC_ALL=C.UTF-8 TZ=Pacific/Auckland CARGO_BUILD_JOBS=1
    build_in "$work/some place that is much longer/two" "$@"
)
for package in "$work"/one/target/package/*.deb; do
    cmp "$package" "$work/some place that is much longer/two/target/package/$(basename "$package")" ||
        die "$(basename "$package") differs"
    (cd "$(dirname "$package")" && sha256sum "$(basename "$package")")
done
echo "Two builds of $commit gave the same bytes."
