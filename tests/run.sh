#!/usr/bin/env bash
# Sets up and runs every test on a Debian or Ubuntu machine, as root or with sudo. Idempotent; arguments go to `cargo test`.
#
# What it sets up: Debian packages that are missing, and under target/peers the third-party programs that the tests
# in tests/peers.rs, tests/namespaces, tests/queries and tests/telegraf talk to (Python and Node.js packages, InfluxData's
# line protocol decoder, InfluxDB, VictoriaMetrics, Mosquitto, a packet capture, Telegraf, what Grafana and Docker
# Compose read their files with).
# Plain `cargo test` needs none of this and leaves those tests out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=$PWD/target/peers

# Telegraf's current release, the Go it needs at least, and the Go that is fetched where that is not installed.
telegraf=v1.39.3
telegraf_needs_go=1.26
fetched_go=go1.26.8
# The parts of Telegraf that telegraf/ and the tests use; all of Telegraf would take ten times as long to build.
telegraf_tags=custom,inputs.execd,inputs.modbus,outputs.discard,outputs.file,outputs.influxdb,outputs.influxdb_v2
telegraf_tags+=,outputs.influxdb_v3,outputs.mqtt,outputs.prometheus_client,processors.starlark,parsers.influx
telegraf_tags+=,serializers.influx,serializers.json

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
    command -v mosquitto_sub >/dev/null || missing+=(mosquitto-clients)
    command -v openssl >/dev/null || missing+=(openssl)
    command -v cc >/dev/null || missing+=(build-essential)
    command -v go >/dev/null || missing+=(golang-go)
    command -v mbpoll >/dev/null || missing+=(mbpoll)
    command -v tshark >/dev/null || missing+=(tshark)
    command -v ip >/dev/null || missing+=(iproute2)
    compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null || missing+=(libfaketime)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    command -v lintian >/dev/null || missing+=(lintian)
    command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
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

# A Go program beside the tests, by its folder's name.
build_go_peer() {
    (cd "tests/peers/$1" && GOTOOLCHAIN=local "$go" build -o "$peers/$1" main.go) ||
        die "go could not build tests/peers/$1"
}

# The last InfluxDB whose Flux is all Go; Debian's has none.
build_flux() {
    [ -x "$peers/influxd-flux" ] && return
    GOTOOLCHAIN=local GOBIN=$peers/flux "$go" install github.com/influxdata/influxdb/cmd/influxd@v1.8.10 ||
        die "go could not build InfluxDB 1.8; is the network reachable?"
    mv "$peers/flux/influxd" "$peers/influxd-flux"
    rmdir "$peers/flux"
}

# Prints the Go program to build with, recent enough for Telegraf. Debian 12 has Go 1.19, which cannot fetch a newer one
# itself. Go's own modules hold it, under the same checksums, and any Go can download a module.
recent_go() {
    local installed arch root
    installed=$(go env GOVERSION)
    if printf 'go%s\n%s\n' "$telegraf_needs_go" "$installed" | sort --version-sort --check=quiet; then
        echo go
        return
    fi
    echo "Telegraf $telegraf needs Go $telegraf_needs_go, and ${installed#go} is installed: fetching $fetched_go" >&2
    arch=$(go env GOARCH)
    go mod download "golang.org/toolchain@v0.0.1-$fetched_go.linux-$arch" || return
    root=$(go env GOMODCACHE)/golang.org/toolchain@v0.0.1-$fetched_go.linux-$arch
    # A module's files are not executable.
    chmod -R a+x "$root/bin" "$root/pkg/tool"
    echo "$root/bin/go"
}

# About 100 s on two cores, most of it once per machine: Go keeps what it has compiled.
build_telegraf() {
    local wanted="$telegraf $telegraf_tags" installed=$peers/telegraf.txt begun=$SECONDS
    [ -x "$peers/telegraf" ] && [ "$wanted" = "$(cat "$installed" 2>/dev/null)" ] && return
    GOTOOLCHAIN=local GOBIN=$peers CGO_ENABLED=0 "$go" install -trimpath -ldflags '-s -w' -tags "$telegraf_tags" \
        "github.com/influxdata/telegraf/cmd/telegraf@$telegraf" ||
        die "go could not build Telegraf $telegraf; is the network reachable?"
    echo "$wanted" >"$installed"
    echo "Built Telegraf $telegraf in $((SECONDS - begun)) s"
}

# A private copy of a server of Debian's, with what it depends on: its package would start it for the whole machine.
unpack_server() {
    local package=$1 program=$2 unpacked=$peers/unpacked
    shift
    [ -x "$peers/${program##*/}" ] && return
    rm -rf "$unpacked"
    mkdir -p "$unpacked"
    (
        cd "$unpacked"
        download() { apt-get -o APT::Sandbox::User="$(id -un)" -qq download "$package"; }
        download || { as_root apt-get update -qq && download; }
        dpkg-deb --extract "${package}"_*.deb .
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends \
            satisfy "$(dpkg-deb --field "${package}"_*.deb Depends)" </dev/null
    ) || die "apt-get could not get $package; is the network reachable?"
    mv "${@/#/$unpacked/}" "$peers/"
    rm -rf "$unpacked"
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

# About 5 min the first time, most of it for the tools and the root of a Debian release; then as long as a release build.
test_package() {
    packaging/build-deb.sh "$(dpkg --print-architecture)"
    as_root tests/package/run.sh
}

install_packages
cargo --version >/dev/null 2>&1 || rustup default stable || die "no Rust toolchain; run 'rustup default stable'"
mkdir -p "$peers"
build_python_peers
build_node_peers
go=$(recent_go) || die "Go $telegraf_needs_go could not be fetched; install it from https://go.dev/dl"
build_go_peer lineprotocol
build_go_peer grafana
build_go_peer compose
build_flux
build_telegraf
unpack_server influxdb usr/bin/influxd
unpack_server influxdb-client usr/bin/influx
unpack_server victoria-metrics usr/bin/victoria-metrics
unpack_server mosquitto usr/bin/mosquitto_passwd usr/sbin/mosquitto
copy_packet_capture
# For tests/bench/run.sh, which needs the same.
[ "${1:-}" != --setup ] || exit 0
cargo test --features peer-tests "$@"
# With arguments somebody wants to see one test.
[ $# -gt 0 ] || test_package
