#!/usr/bin/env bash
# Sets up and runs every test on a Debian or Ubuntu machine, as root or with sudo. Idempotent; arguments go to `cargo test`.
#
# What it sets up: Debian packages that are missing, and under target/peers the third-party programs that the tests
# named in tests/peers.rs and tests/namespaces talk to (Python and Node.js packages, InfluxData's line protocol decoder, a packet capture).
# Plain `cargo test` needs none of this and leaves those tests out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=$PWD/target/peers

die() {
    echo "tests/run.sh: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root to install packages: run it as root, or install sudo"
    fi
}

install_packages() {
    local missing=()
    command -v cc >/dev/null || missing+=(build-essential)
    command -v go >/dev/null || missing+=(golang-go)
    command -v mbpoll >/dev/null || missing+=(mbpoll)
    command -v tshark >/dev/null || missing+=(tshark)
    command -v ip >/dev/null || missing+=(iproute2)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    command -v setcap >/dev/null || [ -x /usr/sbin/setcap ] || missing+=(libcap2-bin)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    command -v cargo >/dev/null || missing+=(rustup)
    [ ${#missing[@]} -gt 0 ] || return 0

    command -v apt-get >/dev/null || die "this is no Debian or Ubuntu; install by hand: ${missing[*]}"
    echo "Installing ${missing[*]}"
    as_root apt-get update -qq || die "apt-get update failed; is the network reachable?"
    if ! command -v cargo >/dev/null && [ -z "$(apt-cache madison rustup 2>/dev/null)" ]; then
        die "cargo is missing and this release has no package for it; get Rust 1.88 or later from https://rustup.rs"
    fi
    # Wireshark asks whether ordinary users may capture; the answer must be there before the question.
    echo 'wireshark-common wireshark-common/install-setuid boolean false' | as_root debconf-set-selections
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null ||
        die "apt-get could not install ${missing[*]}"
}

build_python_peers() {
    local wanted=tests/peers/requirements.txt installed=$peers/venv/installed.txt
    cmp -s "$wanted" "$installed" && "$peers/venv/bin/python" -c '' 2>/dev/null && return
    rm -rf "$peers/venv"
    python3 -m venv "$peers/venv" || die "python3 -m venv failed; is the package python3-venv installed?"
    "$peers/venv/bin/pip" install --quiet --no-input --disable-pip-version-check --requirement "$wanted" ||
        die "pip could not install $wanted; is the network reachable?"
    cp "$wanted" "$installed"
}

build_node_peers() {
    local wanted=tests/peers/node/package-lock.json installed=$peers/node/installed.json
    cmp -s "$wanted" "$installed" && return
    rm -rf "$peers/node"
    mkdir -p "$peers/node"
    cp tests/peers/node/package.json "$wanted" "$peers/node/"
    (cd "$peers/node" && npm ci --ignore-scripts --no-audit --no-fund --silent </dev/null) ||
        die "npm could not install $wanted; is the network reachable?"
    cp "$wanted" "$installed"
}

build_line_protocol_decoder() {
    (cd tests/peers/lineprotocol && go build -o "$peers/lineprotocol" main.go) ||
        die "go could not build tests/peers/lineprotocol"
}

# A private copy of the capture program: an ordinary user may capture with it, and nothing outside target/ changes.
copy_packet_capture() {
    local installed
    installed=$(command -v dumpcap || echo /usr/bin/dumpcap)
    [ -e "$installed" ] || die "tshark is installed without dumpcap; install the package wireshark-common"
    [ "$peers/dumpcap" -nt "$installed" ] && return
    as_root install -m 0755 "$installed" "$peers/dumpcap"
    [ "$(id -u)" -eq 0 ] || as_root setcap cap_net_raw+ep "$peers/dumpcap"
}

install_packages
cargo --version >/dev/null 2>&1 || rustup default stable || die "no Rust toolchain; run 'rustup default stable'"
mkdir -p "$peers"
build_python_peers
build_node_peers
build_line_protocol_decoder
copy_packet_capture
# For tests/bench/run.sh, which needs the same.
[ "${1:-}" != --setup ] || exit 0
cargo test --features peer-tests "$@"
