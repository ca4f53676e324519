#!/usr/bin/env bash
# Builds the Debian package for amd64 and arm64, or for those that are named: packaging/build-deb.sh [amd64] [arm64]
# The packages go to target/package. The same commit and toolchain give the same bytes, in any directory.
#
# What it sets up, once: the Python packages in packaging/requirements.txt (cargo-zigbuild and the zig compiler) and
# cargo-deb under target/package/tools, and Rust's standard library for a foreign architecture with rustup.
#
# Why zig: it links against the C library of any release, so that one program does for all that have glibc 2.17 or newer. A
# static program (musl) would do, too, but would look up host names in its own way: without nsswitch.conf, and so
# without mDNS and the other ways that an administrator may have set up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

glibc=2.17 # Rust's own minimum
cargo_deb=3.8.0
package=$PWD/target/package
tools=$package/tools

die() {
    echo "packaging/build-deb.sh: $*" >&2
    exit 1
}

set_up_tools() {
    local needed wanted=packaging/requirements.txt installed=$tools/venv/installed.txt
    command -v cargo >/dev/null || die "no Rust toolchain; install the package rustup, or get it from https://rustup.rs"
    for needed in cc readelf; do
        command -v $needed >/dev/null || die "no $needed; install the package build-essential"
    done
    if ! cmp -s "$wanted" "$installed"; then
        rm -rf "$tools/venv"
        python3 -m venv "$tools/venv" || die "python3 -m venv failed; install the package python3-venv"
        "$tools/venv/bin/pip" install --quiet --no-input --disable-pip-version-check --requirement "$wanted" ||
            die "pip could not install $wanted; is the network reachable?"
        cp "$wanted" "$installed"
    fi
    if [ "$("$tools/bin/cargo-deb" --version 2>/dev/null)" != "$cargo_deb" ]; then
        # Built in half the time, it makes the same package.
        cargo install --quiet --locked --debug --root "$tools" --target-dir "$tools/build" --version "$cargo_deb" cargo-deb ||
            die "cargo could not install cargo-deb $cargo_deb; is the network reachable?"
        rm -rf "$tools/build"
    fi
}

# Holds the program against what the package says that it depends on.
check_needs() {
    local program=$1 newest foreign
    newest=$(readelf --wide --dyn-syms "$program" | grep -o 'GLIBC_[0-9.]*' | sort --version-sort --unique | tail -1)
    printf '%s\n' "$newest" "GLIBC_$glibc" | sort --version-sort --check=quiet ||
        die "$program needs $newest, and the package promises GLIBC_$glibc"
    foreign=$(readelf --dynamic "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -v -x -E 'lib(c|m|dl|rt|pthread)\.so\.[0-9]|ld-linux.*' || true)
    [ -z "$foreign" ] || die "$program needs a library that is not part of libc6: $foreign"
    echo "$program needs $newest and no library besides libc6"
}

# What the compiler writes into the program must not say where, and by whom, it was built.
check_paths() {
    local program=$1 path
    for path in "$PWD" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}" "$HOME/"; do
        ! grep --quiet --text --fixed-strings -e "$path" "$program" || die "$program contains the path $path"
    done
}

build() {
    local architecture=$1 target output
    case $architecture in
    amd64) target=x86_64-unknown-linux-gnu ;;
    arm64) target=aarch64-unknown-linux-gnu ;;
    *) die "architecture $architecture: amd64 or arm64" ;;
    esac
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
        rustup target add "$target" || die "Rust's standard library for $target is missing, and rustup could not fetch it"
    fi
    # Each without the crates of the other.
    cargo zigbuild --locked --release --bin telegraf-pm500 --target "$target.$glibc"
    cargo zigbuild --locked --release --features sparkplug --bin telegraf-pm500-sparkplug --target "$target.$glibc"
    check_needs "target/$target/release/telegraf-pm500"
    check_paths "target/$target/release/telegraf-pm500"
    check_needs "target/$target/release/telegraf-pm500-sparkplug"
    check_paths "target/$target/release/telegraf-pm500-sparkplug"
    output=$package/telegraf-pm500_$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)_$architecture.deb
    # Stripped by the release profile already, and not by a tool of this machine's architecture.
    cargo deb --quiet --locked --no-build --no-strip --target "$target" --output "$output"
}

set_up_tools
export PATH=$tools/venv/bin:$tools/bin:$PATH
# The time in the package and in its files is the commit's.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} || die "needs git and a clone, or SOURCE_DATE_EPOCH"
export SOURCE_DATE_EPOCH
# Files are packed with the modes that Cargo.toml names; directories must not depend on who builds.
umask 022
rm -rf "$package/generated"
cargo run --quiet --locked --features sparkplug --example generate -- "$package/generated"
# Whatever wrapper the builder has for other programs.
export RUSTC_WRAPPER=$PWD/packaging/rustc.sh
for architecture in "${@:-amd64 arm64}"; do
    for each in $architecture; do build "$each"; done
done
