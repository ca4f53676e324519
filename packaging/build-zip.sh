#!/usr/bin/env bash
# Builds the zip for Windows (64-bit Intel and AMD): packaging/build-zip.sh
# It goes to target/package, with its SHA-256 beside it. The same programs give the same bytes, with the commit's time; that the
# programs themselves come out alike in another directory has not been tried, as it has for the Debian package.
# Needs Rust, git, zip and mingw (Debian: zip gcc-mingw-w64-x86-64); gets Rust's standard library for Windows with rustup.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=x86_64-pc-windows-gnu
package=$PWD/target/package
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=telegraf-pm500_${version}_windows_amd64

die() {
    echo "packaging/build-zip.sh: $*" >&2
    exit 1
}

# What the compiler writes into the program must not say where, and by whom, it was built.
check_paths() {
    local path
    for path in "$PWD" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}" "$HOME/"; do
        ! grep --quiet --text --fixed-strings -e "$path" "$1" || die "$1 contains the path $path"
    done
}

# Libraries that every Windows 10 and Server 2016 has; nothing of mingw's.
check_needs() {
    local foreign
    foreign=$(x86_64-w64-mingw32-objdump --private-headers "$1" | sed -n 's/.*DLL Name: //p' | tr '[:upper:]' '[:lower:]' |
        grep -v -x -E 'api-ms-win-.*\.dll|(advapi32|bcrypt|bcryptprimitives|crypt32|iphlpapi|kernel32|msvcrt|ntdll|ole32|oleaut32|secur32|shell32|user32|userenv|ws2_32)\.dll' || true)
    [ -z "$foreign" ] || die "$1 needs a library that is not part of Windows: $foreign"
}

for needed in cargo git zip x86_64-w64-mingw32-gcc; do
    command -v $needed >/dev/null || die "no $needed; install rustup, git, zip and gcc-mingw-w64-x86-64"
done
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    rustup target add $target || die "Rust's standard library for $target is missing, and rustup could not fetch it"
fi
# The time in the zip is the commit's.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} || die "needs git and a clone, or SOURCE_DATE_EPOCH"
export SOURCE_DATE_EPOCH
umask 022
root=$package/zip/$name
rm -rf "$package/zip"
mkdir -p "$root"
# The documents, with links that stay inside; and the licenses of the crates, which ask that they go with every copy.
cargo run --quiet --locked --features sparkplug --example generate -- "$root" $target
export RUSTC_WRAPPER=$PWD/packaging/rustc.sh
# The linker would write the time into the program.
export RUSTFLAGS="-C link-arg=-Wl,--no-insert-timestamp"
# Each without the crates of the other.
cargo build --quiet --locked --release --bin telegraf-pm500 --target $target
cargo build --quiet --locked --release --features sparkplug --bin telegraf-pm500-sparkplug --target $target
for program in telegraf-pm500 telegraf-pm500-sparkplug; do
    check_needs "target/$target/release/$program.exe"
    check_paths "target/$target/release/$program.exe"
    cp "target/$target/release/$program.exe" "$root/"
done
cp LICENSE.md packaging/CHANGELOG.md "$root/"
# As text files of Windows.
sed 's|"/var/lib/telegraf/telegraf-pm500.state.json"|'"'C:\\\\ProgramData\\\\telegraf-pm500\\\\telegraf-pm500.state.json'|" packaging/config.toml >"$root/sample-config.toml"
cp packaging/sparkplug.toml "$root/sample-sparkplug.toml"
find "$root" -maxdepth 1 -name '*.toml' -exec sed -i 's/$/\r/' {} +
sums=$(cd "$root" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sed 's|  \./|  |')
echo "$sums" >"$root/SHA256SUMS"
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
rm -f "$package/$name.zip"
(cd "$package/zip" && find "$name" | LC_ALL=C sort | TZ=UTC zip --quiet -X -9 "$package/$name.zip" -@)
rm -rf "$package/zip"
(cd "$package" && sha256sum "$name.zip" | tee "$name.zip.sha256")
