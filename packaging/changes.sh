#!/usr/bin/env bash
# Prints what packaging/CHANGELOG.md says of a version, which must be the one in Cargo.toml: packaging/changes.sh VERSION
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
    echo "packaging/changes.sh: $*" >&2
    exit 1
}

version=${1:?VERSION}
program=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
[ "$version" = "$program" ] || die "$version is wanted, and Cargo.toml has $program"
changes=$(awk -v heading="## $version - " 'index($0, "## ") == 1 { inside = index($0, heading) == 1; next } inside' packaging/CHANGELOG.md)
[ -n "$changes" ] || die "packaging/CHANGELOG.md says nothing of $version"
printf '%s\n' "${changes#$'\n'}"
