#!/usr/bin/env bash
# Runs Telegraf and the plugin under telegraf/systemd, as a real systemd does: tests/package/hardened.sh [PROGRAM]
#
# systemd is the first process of namespaces of its own, and knows the units of this test only; nothing of the host is
# started or changed. Needs root, systemd, and target/peers/telegraf. Takes 4 s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Inside, where no option of a unit hides it.
place=/run/test

die() {
    echo "tests/package/hardened.sh: $*" >&2
    exit 1
}

# Telegraf with the plugin, under a unit and the hardening: its name, its user, and the first meter's options.
write_telegraf() {
    local unit=$1 options=$2 drop_in=$place/units/$1.service.d
    mkdir -p "$drop_in" "$place/$unit"
    cp telegraf/systemd/hardening.conf "$drop_in/"
    # This namespace has no targets, no journal, and the programs elsewhere.
    cat >"$drop_in/zz-test.conf" <<END
[Unit]
DefaultDependencies=no
After=
Wants=
[Service]
StandardOutput=append:$place/$unit.log
StandardError=inherit
ExecStart=
ExecStart=$place/bin/telegraf --config-directory $place/$unit
END
    sed -e "s#/usr/bin/telegraf-pm500#$place/bin/telegraf-pm500#" -e "s#/etc/telegraf-pm500/config.toml#$place/$unit.toml#" \
        telegraf/execd.conf >"$place/$unit/execd.conf"
    cat >"$place/$unit/out.conf" <<END
[agent]
flush_interval = "1s"
[[outputs.file]]
files = ["/var/lib/$unit/lines"]
END
    cat >"$place/$unit.toml" <<END
[[inputs.powermonitor_500]]
state_file = "/var/lib/$unit/state.json"
interval = "1s"
[[inputs.powermonitor_500.meter]]
name = "eip"
address = "127.0.0.2"
$options
[[inputs.powermonitor_500.meter]]
name = "by-name"
address = "modbus://meter-2:1502"
END
}

# Becomes systemd, in namespaces of its own.
inside() {
    local program=$1 telegraf=$2 systemd=$3 said=$4
    ip link set lo up
    mount -t tmpfs -o mode=755 tmpfs /run
    mount -t tmpfs -o mode=755 tmpfs /var/lib
    umount --recursive /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p $place/units $place/bin
    install -m 0755 "$program" $place/bin/telegraf-pm500
    install -m 0755 "$telegraf" $place/bin/telegraf
    install -m 0755 tests/package/hardened_check.sh $place/
    { cat /etc/hosts && echo "127.0.0.3 meter-2"; } >$place/hosts
    { grep -v '^telegraf:' /etc/passwd && echo "telegraf:x:990:990::/etc/telegraf:/bin/false"; } >$place/passwd
    { grep -v '^telegraf:' /etc/group && echo "telegraf:x:990:"; } >$place/group
    for file in hosts passwd group; do mount --bind $place/$file /etc/$file; done

    # As Telegraf's package makes it.
    install -d -o 990 -g 990 /var/lib/telegraf
    # What matters of the unit in Telegraf's package.
    cat >$place/units/telegraf.service <<END
[Service]
Type=notify
NotifyAccess=all
User=telegraf
KillMode=mixed
LimitMEMLOCK=8M:8M
PrivateMounts=true
ExecStart=/bin/false
END
    cp telegraf/systemd/telegraf-pm500.service $place/units/
    write_telegraf telegraf 'connection = "auto"'
    # One listener has UDP port 2222.
    write_telegraf telegraf-pm500 ''
    cat >$place/units/meters.service <<END
[Unit]
DefaultDependencies=no
[Service]
ExecStart=$place/bin/telegraf-pm500 simulate --bind 127.0.0.2 --count 2 --modbus-port 1502
StandardOutput=null
StandardError=null
END
    cat >$place/units/check.service <<END
[Unit]
DefaultDependencies=no
Wants=meters.service telegraf.service telegraf-pm500.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=$place/hardened_check.sh
StandardOutput=append:$said
StandardError=inherit
END
    export SYSTEMD_UNIT_PATH=$place/units container=test
    exec "$systemd" --system --unit=check.service --show-status=0 --log-level=warning
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
fi
[ "$(id -u)" -eq 0 ] || die "needs root to be the first process of a namespace"
program=$(readlink --canonicalize-existing "${1:-target/debug/telegraf-pm500}") || die "the program is missing: cargo build"
telegraf=$PWD/target/peers/telegraf
[ -x "$telegraf" ] || die "$telegraf is missing; tests/run.sh builds it"
systemd=$(compgen -G '/lib/systemd/systemd' || compgen -G '/usr/lib/systemd/systemd') ||
    die "systemd is missing; tests/run.sh installs it"
said=$(mktemp)
trap 'rm -f "$said" "$said.log"' EXIT
timeout --kill-after=5 120 unshare --mount --net --pid --cgroup --fork --kill-child --mount-proc \
    bash tests/package/hardened.sh --inside "$program" "$telegraf" "$systemd" "$said" >"$said.log" 2>&1 || true
cat "$said"
grep -q '^  All was kept' "$said" || die "not all was kept: $(tail -5 "$said.log")"
