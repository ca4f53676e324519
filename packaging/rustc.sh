#!/usr/bin/env bash
# What Cargo calls instead of the compiler (.cargo/config.toml): an optimized program says nothing of where it was built.
#
# The compiler writes the places of panics into a program with the paths of the sources, and so the builder's home
# directory into every release. Cargo has no stable setting for that (profile.release.trim-paths is to be one), and
# rustflags in a file cannot name a directory that differs from machine to machine.
#
# bash, because other shells drop variables such as CARGO_BIN_EXE_telegraf-pm500 out of the environment.
compiler=$1
shift
case " $* " in
*" opt-level="*) ;;
*) exec "$compiler" "$@" ;;
esac

here=${0%/packaging/rustc.sh}
set -- "$@" "--remap-path-prefix=$here=/telegraf-pm500"
[ -z "${OUT_DIR:-}" ] || set -- "$@" "--remap-path-prefix=$OUT_DIR=/generated"
# Crates from a registry and from git; the standard library, where its sources are installed.
for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/* "${CARGO_HOME:-$HOME/.cargo}"/git/checkouts; do
    [ ! -d "$sources" ] || set -- "$@" "--remap-path-prefix=$sources=/cargo"
done
for sources in "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/lib/rustlib/src/rust; do
    [ ! -d "$sources" ] || set -- "$@" "--remap-path-prefix=$sources=/rust"
done
exec "$compiler" "$@"
