#!/bin/bash
# What hardened.sh has systemd run beside the hardened Telegrafs: prints what was promised and kept, or the first promise
# that was broken.
set -euo pipefail
place=/run/test

fail() {
    echo "  FAILED: $*"
    tail -n 5 $place/*.log 2>/dev/null || true
    exit 1
}

kept() {
    echo "  $*"
}

wait_for() {
    local what=$1 deadline=$((SECONDS + 45))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "after 45 s still not: $what"
        sleep 0.1
    done
}

# The plugin that reads this configuration.
plugin() {
    local process
    for process in /proc/[0-9]*; do
        [ "$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" != "$place/bin/telegraf-pm500 --config $place/$1.toml " ] ||
            basename "$process"
    done
}

# Whether its mounts refuse a file even to root.
is_read_only() {
    ! nsenter --target "$1" --mount touch "$2/written" 2>/dev/null
}

for unit in telegraf telegraf-pm500; do
    lines=/var/lib/$unit/lines
    for meter in eip by-name; do
        wait_for "a line of $meter from $unit.service" grep -q "^powermonitor_500,.*meter=$meter .*voltage_l1_n_v=" $lines
    done
    process=$(plugin $unit)
    [ -n "$process" ] || fail "no plugin under $unit.service"
    status=$(cat "/proc/$process/status")
    for wanted in $'NoNewPrivs:\t1' $'Seccomp:\t2' $'CapEff:\t0000000000000000' $'CapBnd:\t0000000000000000'; do
        grep -qF "$wanted" <<<"$status" || fail "$unit.service: not $wanted"
    done
    [ "$(stat --format %u "/proc/$process")" -ne 0 ] || fail "$unit.service runs it as root"
    for directory in /etc /usr /opt /var/lib; do
        is_read_only "$process" $directory || fail "$unit.service lets it write to $directory"
    done
    [ -z "$(nsenter --target "$process" --mount sh -c 'ls -A /home; ls -A /root')" ] || fail "$unit.service shows it /home or /root"
    [ ! -e "/proc/$process/root/dev/sda" ] && [ ! -e "/proc/$process/root/dev/vda" ] || fail "$unit.service shows it a disk"
    kept "$unit.service: read over EtherNet/IP and by name over Modbus; no new privileges, no capability, system calls filtered,"
    kept "  nothing writable but its state, no /home, no disk"
    systemctl stop $unit.service || fail "$unit.service cannot be stopped"
    [ "$(systemctl show --property Result --value $unit.service)" = success ] || fail "$unit.service did not end well"
    [ -s /var/lib/$unit/state.json ] || fail "the plugin has left no state"
    kept "$unit.service: stopped within systemd's rules, the state is saved"
done
kept "All was kept"
