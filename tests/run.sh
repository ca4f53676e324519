#!/usr/bin/env bash
# Sets up and runs every test on a Debian or Ubuntu machine, as root or with sudo. Idempotent; arguments go to `cargo test`.
# tests/README.md says what the tiers are, what each needs and how long it takes.
#
# What it sets up: Debian packages that are missing, and under target/peers the third-party programs that the tests
# under the feature peer-tests (tests/suite/main.rs) talk to (Python, Node.js and Java packages, InfluxData's
# line protocol decoder, InfluxDB 1 and 2, VictoriaMetrics, Mosquitto, a packet capture, Telegraf, what Grafana, Docker
# Compose and Terraform read their files with, the AWS CLI with a simulation of AWS, Node-RED with Chromium before it). What is needed to build them only is removed again.
# Plain `cargo test` needs none of this and leaves those tests out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=$PWD/target/peers
# Disk that a first run needs besides what is installed.
needed_gib=8
wanted_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# Telegraf's current release, the Go it needs at least, and the Go that is fetched where that is not installed.
telegraf=v1.39.3
telegraf_needs_go=1.26
fetched_go=go1.26.8
# The parts of Telegraf that telegraf/ and the tests use; all of Telegraf would take ten times as long to build.
telegraf_tags=custom,inputs.execd,inputs.modbus,outputs.discard,outputs.execd,outputs.file,outputs.influxdb,outputs.influxdb_v2
telegraf_tags+=,outputs.influxdb_v3,outputs.mqtt,outputs.prometheus_client,processors.starlark,parsers.influx
telegraf_tags+=,serializers.influx,serializers.json
# What tests/windows needs of it.
telegraf_windows_tags=custom,inputs.execd,outputs.file,parsers.influx,serializers.influx
actionlint=v1.7.12
# Go programs of tests/peers.
go_peers=(lineprotocol grafana compose terraform)

die() {
    echo "tests/run.sh: $*" >&2
    exit 1
}

# Asks for everything that would otherwise fail minutes later, and names all that is missing at once.
check_host() {
    local problems=() listener free
    if ! command -v git >/dev/null; then
        problems+=("git is missing: install it; the package takes its time from the commit")
    elif ! git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
        problems+=("this is no git clone with a commit: clone the repository; the package takes its time from the commit")
    fi
    # 2222 in hexadecimal, at any address.
    if grep -q '^ *[0-9]*: [0-9A-F]*:08AE ' /proc/net/udp /proc/net/udp6 2>/dev/null; then
        listener=$(ss --listening --udp --numeric --processes --no-header 'sport = :2222' 2>/dev/null | head -1 || true)
        problems+=("UDP port 2222 is in use, and tests listen on it: stop ${listener:-the program that has it}")
    fi
    if ! in_namespaces true 2>/dev/null; then
        problems+=("no network, mount and process namespaces can be made here: run this as root, allow unprivileged user \
namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or start the container privileged")
    fi
    free=$(df --output=avail --block-size=1G . | tail -1)
    if [ ! -e target/peers/telegraf ] && [ "$free" -lt $needed_gib ]; then
        problems+=("$((free)) GiB of disk are free here, and a first run needs about $needed_gib")
    fi
    if cargo --version >/dev/null 2>&1 && ! is_at_least "$wanted_rust" "$(rustc --version | cut -d' ' -f2)"; then
        problems+=("Rust $(rustc --version | cut -d' ' -f2) is installed, and $wanted_rust or later is needed: rustup update stable")
    fi
    [ ${#problems[@]} -gt 0 ] || return 0
    printf 'tests/run.sh: %s\n' "${problems[@]}" >&2
    exit 1
}

# Runs a command as the tests in namespaces do.
in_namespaces() {
    local user=()
    [ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
    unshare "${user[@]}" --mount --net --pid --fork --kill-child --mount-proc "$@"
}

is_at_least() {
    printf '%s\n%s\n' "$1" "$2" | sort --version-sort --check=quiet
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
    # With libmodbus.
    command -v mbpoll >/dev/null || missing+=(mbpoll)
    command -v tshark >/dev/null || missing+=(tshark)
    command -v ip >/dev/null || missing+=(iproute2)
    compgen -G "/usr/lib/*/faketime/libfaketimeMT.so.1" >/dev/null || missing+=(libfaketime)
    command -v javac >/dev/null || missing+=(default-jdk-headless)
    command -v mvn >/dev/null || missing+=(maven)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    command -v chromium >/dev/null || missing+=(chromium)
    compgen -G "/usr/share/fonts/truetype/*/*.ttf" >/dev/null || missing+=(fonts-dejavu-core)
    command -v tmux >/dev/null || missing+=(tmux)
    command -v lintian >/dev/null || missing+=(lintian)
    command -v shellcheck >/dev/null || missing+=(shellcheck)
    command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
    command -v systemd-analyze >/dev/null || missing+=(systemd)
    command -v setcap >/dev/null || [ -x /usr/sbin/setcap ] || missing+=(libcap2-bin)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    command -v cargo >/dev/null || missing+=(rustup)
    [ ${#missing[@]} -gt 0 ] || return 0

    command -v apt-get >/dev/null || die "this is no Debian or Ubuntu; install by hand: ${missing[*]}"
    echo "Installing ${missing[*]}"
    as_root apt-get update -qq || die "apt-get update failed; is the network reachable?"
    if ! command -v cargo >/dev/null && [ -z "$(apt-cache madison rustup 2>/dev/null)" ]; then
        die "cargo is missing and this release has no package for it; get Rust $wanted_rust or later from https://rustup.rs"
    fi
    # Wireshark asks whether ordinary users may capture; the answer must be there before the question.
    echo 'wireshark-common wireshark-common/install-setuid boolean false' | as_root debconf-set-selections
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null ||
        die "apt-get could not install ${missing[*]}"
}

# Python programs by the folder of tests/peers that names them, into an environment of their own.
build_python_peers() {
    local wanted=tests/peers/$1/requirements.txt venv=$peers/$2
    cmp -s "$wanted" "$venv/installed.txt" && "$venv/bin/python" -c '' 2>/dev/null && return
    rm -rf "$venv"
    python3 -m venv "$venv" || die "python3 -m venv failed; is the package python3-venv installed?"
    "$venv/bin/pip" install --quiet --no-input --no-cache-dir --disable-pip-version-check --requirement "$wanted" ||
        die "pip could not install $wanted; is the network reachable?"
    cp "$wanted" "$venv/installed.txt"
}

# Node.js programs by the folder of tests/peers that names them.
build_node_peers() {
    local wanted=tests/peers/$1/package-lock.json into=$peers/$1
    cmp -s "$wanted" "$into/installed.json" && return
    rm -rf "$into"
    mkdir -p "$into"
    cp "tests/peers/$1/package.json" "$wanted" "$into/"
    (cd "$into" && npm ci --cache "$into/cache" --ignore-scripts --no-audit --no-fund --silent </dev/null) ||
        die "npm could not install $wanted; is the network reachable?"
    rm -rf "$into/cache"
    cp "$wanted" "$into/installed.json"
}

# The Sparkplug host application of Eclipse Tahu, and our program around it.
build_java_peers() {
    local wanted=tests/peers/tahu installed=$peers/tahu
    diff --recursive --brief "$wanted" "$installed/sources" >/dev/null 2>&1 && return
    rm -rf "$installed"
    mkdir -p "$installed"
    mvn --quiet --batch-mode --file "$wanted/pom.xml" -Dmaven.repo.local="$installed/repository" \
        dependency:copy-dependencies -DoutputDirectory="$installed/lib" </dev/null ||
        die "maven could not get what $wanted/pom.xml names; is the network reachable?"
    javac -cp "$installed/lib/*" -d "$installed/classes" "$wanted/Host.java" || die "javac could not build $wanted"
    rm -rf "$installed/repository"
    cp -r "$wanted" "$installed/sources"
}

# Builds the Go programs that are missing or changed, with caches of their own, which are gone afterwards: 4 GiB for
# programs of 300 MiB.
build_go_peers() {
    local go name begun=$SECONDS
    export GOTOOLCHAIN=local GOFLAGS=-modcacherw GOCACHE=$peers/go/build GOMODCACHE=$peers/go/modules
    go_peers_are_built && telegraf_for_windows_is_built && return
    go=$(recent_go) || die "Go $telegraf_needs_go could not be fetched; install it from https://go.dev/dl"
    if ! go_peers_are_built; then
        for name in "${go_peers[@]}"; do build_go_peer "$name"; done
        build_actionlint
        build_influxdb2
        build_telegraf
        go_sources >"$peers/go.txt"
    fi
    telegraf_for_windows_is_built || build_telegraf_for_windows
    rm -rf "$peers/go"
    echo "Built the Go programs in $((SECONDS - begun)) s"
}

go_sources() {
    local modules=("${go_peers[@]}" influxdb2)
    echo "$telegraf $telegraf_tags $actionlint"
    (cd tests/peers && sha256sum "${go_peers[@]/%//main.go}" "${modules[@]/%//go.mod}" "${modules[@]/%//go.sum}")
}

go_peers_are_built() {
    local name
    for name in "${go_peers[@]}" actionlint influxd2 telegraf; do
        [ -x "$peers/$name" ] || return
    done
    cmp -s <(go_sources) "$peers/go.txt"
}

# A Go program beside the tests, by its folder's name.
build_go_peer() {
    (cd "tests/peers/$1" && "$go" build -trimpath -ldflags '-s -w' -o "$peers/$1" main.go) ||
        die "go could not build tests/peers/$1"
}

# What judges .github/workflows.
build_actionlint() {
    GOBIN=$peers "$go" install -trimpath -ldflags '-s -w' "github.com/rhysd/actionlint/cmd/actionlint@$actionlint" ||
        die "go could not build actionlint $actionlint; is the network reachable?"
}

# InfluxDB 2, which is no program that "go install" takes: its module replaces others, and its Flux is a library in Rust,
# which a helper called pkg-config builds on the way. The flux that it names pins an old Rust by a file, which rustup's
# proxies would fetch: the compiler's own directory is put before them. Today's compiler warns where that one did not.
# Three to four minutes on two idle cores.
build_influxdb2() {
    local helpers=$peers/go/helpers rust
    rust=$(dirname "$(rustup which rustc 2>/dev/null || command -v rustc)")
    mkdir -p "$helpers"
    printf '#!/bin/sh\nexec "%s/rustc" "$@" --cap-lints warn\n' "$rust" >"$helpers/rustc-that-only-warns"
    chmod +x "$helpers/rustc-that-only-warns"
    (
        cd tests/peers/influxdb2
        GOBIN=$helpers "$go" install github.com/influxdata/pkg-config &&
            PATH=$helpers:$rust:$PATH RUSTC=$helpers/rustc-that-only-warns \
                "$go" build -trimpath -ldflags '-s -w' -o "$peers/influxd2" github.com/influxdata/influxdb/v2/cmd/influxd
    ) || die "go could not build InfluxDB 2; is the network reachable?"
}

# Prints the Go program to build with, recent enough for Telegraf. Debian 12 has Go 1.19, which cannot fetch a newer one
# itself. Go's own modules hold it, under the same checksums, and any Go can download a module.
recent_go() {
    local installed arch root
    installed=$(go env GOVERSION)
    if is_at_least "go$telegraf_needs_go" "$installed"; then
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

# About 100 s on two idle cores.
build_telegraf() {
    GOBIN=$peers CGO_ENABLED=0 "$go" install -trimpath -ldflags '-s -w' -tags "$telegraf_tags" \
        "github.com/influxdata/telegraf/cmd/telegraf@$telegraf" ||
        die "go could not build Telegraf $telegraf; is the network reachable?"
}

# The same for Windows, which tests/windows/run.sh runs under Wine. "go install" puts it into no chosen directory, as it is of
# another system. Another 120 s.
build_telegraf_for_windows() {
    GOPATH=$peers/go/windows GOOS=windows GOARCH=amd64 CGO_ENABLED=0 "$go" install -trimpath -ldflags '-s -w' \
        -tags "$telegraf_windows_tags" "github.com/influxdata/telegraf/cmd/telegraf@$telegraf" ||
        die "go could not build Telegraf $telegraf for Windows; is the network reachable?"
    mv "$peers/go/windows/bin/windows_amd64/telegraf.exe" "$peers/"
    echo "$telegraf $telegraf_windows_tags" >"$peers/telegraf.exe.txt"
}

telegraf_for_windows_is_built() {
    [ -x "$peers/telegraf.exe" ] && cmp -s <(echo "$telegraf $telegraf_windows_tags") "$peers/telegraf.exe.txt"
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
    packaging/build-deb.sh "$(dpkg --print-architecture)" && as_root tests/package/run.sh
}

# A few seconds.
test_hardening() {
    as_root tests/package/hardened.sh target/debug/telegraf-pm500
}

# About 3 min, most of it compiling; it says so where there is no Wine.
test_windows() {
    tests/windows/run.sh
}

# Runs one part of the tests, whatever became of those before it, and keeps its outcome for the summary.
part() {
    local name=$1 begun=$SECONDS outcome=passed
    shift
    echo "--- $name"
    # In a shell of its own: `die` ends this part only.
    ("$@") || outcome=FAILED
    summary+="$(printf '%-8s %-44s %4d s' "$outcome" "$name" $((SECONDS - begun)))"$'\n'
    [ $outcome = passed ] || failed=1
}

check_host
install_packages
cargo --version >/dev/null 2>&1 || rustup default stable || die "no Rust toolchain; run 'rustup default stable'"
# Those of the program for Windows, too.
cargo fetch --quiet --locked || die "cargo could not fetch the crates that Cargo.lock names; is the network reachable?"
mkdir -p "$peers"
build_python_peers . venv
build_python_peers aws aws
build_node_peers node
build_java_peers
build_node_peers node-red
build_go_peers
unpack_server influxdb usr/bin/influxd
unpack_server influxdb-client usr/bin/influx
unpack_server victoria-metrics usr/bin/victoria-metrics
unpack_server mosquitto usr/bin/mosquitto_passwd usr/sbin/mosquitto
copy_packet_capture
# For tests/bench/run.sh, which needs the same.
[ "${1:-}" != --setup ] || exit 0
# Programs of others are many processes a test, unlike the tests that .cargo/config.toml has in mind.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(nproc)}"
# With arguments somebody wants to see one test.
[ $# -eq 0 ] || exec cargo test --all-features "$@"

summary='' failed=0
cargo test --all-features --no-run
# Every program, even when one before it has failed.
part "tests (cargo test --all-features)" cargo test --all-features --no-fail-fast
part "the program for Windows under Wine" test_windows
part "the hardened units under systemd" test_hardening
part "the package in a root of this release" test_package
printf '\n%s' "$summary"
echo "target/ takes $(du --summarize --block-size=1M target | cut -f1) MiB, $((SECONDS / 60)) min in all"
exit $failed
