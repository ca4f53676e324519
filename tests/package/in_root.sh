#!/bin/bash
# What run.sh does inside a root: /srv/first.deb is the package, 1000.deb and 1001.deb are later releases of it, the
# last one with another sample configuration. Prints what was promised and kept, or the first promise that was broken.
set -euo pipefail

config=/etc/telegraf-pm500/config.toml
state=/var/lib/telegraf/telegraf-pm500.state.json
examples=/usr/share/doc/telegraf-pm500/examples
data=/tmp/data
log=/tmp/log

fail() {
    for file in $log $data; do
        [ ! -e "$file" ] || tail -5 "$file" | cut -c1-200 >&2
    done
    echo "  FAILED: $*" >&2
    exit 1
}

kept() {
    echo "  $*"
}

# Waits until a command succeeds.
wait_for() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "after 30 s still not: $what"
        sleep 0.1
    done
}

# Everything in the file system that a package may leave behind.
everything() {
    find / -xdev \( -path /proc -o -path /tmp -o -path /srv -o -path /var/lib/dpkg -o -path /var/log \) -prune -o -print | sort
}

accounts() {
    cat /etc/passwd /etc/group
}

quietly_install() {
    dpkg "$@" </dev/null >/tmp/dpkg 2>&1 || fail "dpkg $*: $(cat /tmp/dpkg)"
}

# What a person does first, as a user without rights.
first_steps_as() {
    local user=$1 dumped
    runuser -u "$user" -- telegraf-pm500 --version >/dev/null || fail "--version as $user"
    runuser -u "$user" -- telegraf-pm500-sparkplug --check-config >$log 2>&1 || fail "the second program's --check-config as $user"
    runuser -u "$user" -- telegraf-pm500 --check-config | grep -q 'valid, 0 meters' || fail "--check-config as $user"
    dumped=$(runuser -u "$user" -- telegraf-pm500 dump --simulated 2>$log) || fail "dump --simulated as $user"
    for meter in simulated-eip simulated-modbus; do
        grep -q "^powermonitor_500,meter=$meter voltage_l1_n_v=" <<<"$dumped" || fail "dump --simulated has no $meter"
    done
    kept "--version, --check-config and dump --simulated as user $user"
}

plugin_pid() {
    local process
    for process in /proc/[0-9]*; do
        [ "$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" != "/usr/bin/telegraf-pm500 --config $config " ] || basename "$process"
    done
}

lines() {
    grep -c "^powermonitor_500,.*meter=127.0.0.2 " $data || true
}

more_lines_than() {
    [ "$(lines)" -gt "$1" ]
}

# --- Where Telegraf is not installed -------------------------------------------------------------------------------

! id telegraf >/dev/null 2>&1 || fail "this root has a user telegraf"
before=$(everything) accounts=$(accounts)
quietly_install --install /srv/first.deb
[ "$(accounts)" = "$accounts" ] || fail "the package has changed users or groups"
[ "$(stat --format '%a %U:%G' $config)" = "644 root:root" ] || fail "$config: $(stat --format '%a %U:%G' $config)"
for theirs in /etc/telegraf /var/lib/telegraf; do
    [ ! -e $theirs ] || fail "the package has made $theirs"
done
kept "installs without Telegraf, and invents no user"
first_steps_as nobody
for page in $(dpkg --listfiles telegraf-pm500 | grep '/man/man.*gz'); do
    gzip --test "$page" || fail "$page"
done
for needed in $examples/{execd.conf,README.md} /usr/share/doc/telegraf-pm500/{copyright,changelog.gz,README.md,sample-config.toml} \
    /usr/share/man/man1/telegraf-pm500{,-dump,-sparkplug}.1.gz /usr/share/man/man5/telegraf-pm500{,-sparkplug}.5.gz \
    /usr/share/bash-completion/completions/telegraf-pm500 /usr/share/zsh/vendor-completions/_telegraf-pm500 \
    /usr/share/fish/vendor_completions.d/telegraf-pm500.fish; do
    [ -s "$needed" ] || fail "$needed is not installed"
done
[ "$(wc -l <$config)" -lt 12 ] || fail "$config is so long that upgrades will ask about its comments"
telegraf-pm500 --sample-config | cmp - /usr/share/doc/telegraf-pm500/sample-config.toml || fail "the sample is another one"
! grep -rnE '\]\((\.\./)*(tests|packaging|src)/' /usr/share/doc/telegraf-pm500 || fail "a document leads out of the package"
grep -q "^tokio " /usr/share/doc/telegraf-pm500/copyright || fail "the licenses of the crates are missing"
dpkg --verify telegraf-pm500 || fail "the files are not those of the package"
quietly_install --purge telegraf-pm500
[ "$(everything)" = "$before" ] || fail "purged, and left behind: $(comm -13 <(echo "$before") <(everything))"
kept "purged, it leaves nothing behind"

# --- Beside Telegraf, set up as its own package does ---------------------------------------------------------------

groupadd -r telegraf
useradd -r -M telegraf -s /bin/false -d /etc/telegraf -g telegraf
mkdir -p /etc/telegraf/telegraf.d
install -d -o telegraf -g telegraf /var/lib/telegraf
printf '[agent]\n  flush_interval = "1s"\n[[outputs.file]]\n  files = ["stdout"]\n' >/etc/telegraf/telegraf.conf
before=$(everything) accounts=$(accounts)

quietly_install --install /srv/first.deb
[ "$(accounts)" = "$accounts" ] || fail "the package has changed users or groups"
[ -z "$(ls /etc/telegraf/telegraf.d)" ] || fail "the package has put something into telegraf.d"
kept "installs beside Telegraf, and leaves its configuration alone"
first_steps_as telegraf

# The shipped file with its meter's two lines uncommented, and a faster clock.
sed -i -e 's/# \(\[\[inputs.powermonitor_500.meter]]\)/\1/' -e 's/# address = .*/address = "127.0.0.2"/' \
    -e '/^\[\[inputs.powermonitor_500]]/a interval = "1s"' $config
edited=$(cat $config)
cp $examples/execd.conf /etc/telegraf/telegraf.d/telegraf-pm500.conf
runuser -u telegraf -- telegraf-pm500 simulate --bind 127.0.0.2 >/dev/null 2>&1 &
simulator=$!
wait_for "a simulated meter" runuser -u nobody -- telegraf-pm500 dump 127.0.0.2
runuser -u telegraf -- telegraf --config /etc/telegraf/telegraf.conf --config-directory /etc/telegraf/telegraf.d >$data 2>$log &
wait_for "a metric from Telegraf" more_lines_than 0
kept "data comes through Telegraf, started from the shipped example: $(grep -m1 -o '^powermonitor_500,.* voltage_l1_n_v=[0-9.]*' $data)…"

plugin=$(plugin_pid)
[ -n "$plugin" ] || fail "no plugin runs"
quietly_install --install /srv/1000.deb
[ "$(dpkg-query --show --showformat '${Version}' telegraf-pm500)" = 1000 ] || fail "not upgraded"
[ "$(cat $config)" = "$edited" ] || fail "the upgrade has changed the edited $config"
count=$(lines)
wait_for "metrics after the upgrade" more_lines_than $((count + 2))
[ "$(plugin_pid)" = "$plugin" ] || fail "the upgrade has ended the running plugin"
[[ "$(readlink "/proc/$plugin/exe")" == *"(deleted)" ]] || fail "the program was not replaced"
kept "upgraded while it runs: the plugin goes on, the edited configuration is kept"
quietly_install --force-confold --install /srv/1001.deb
[ "$(cat $config)" = "$edited" ] || fail "an upgrade with a new sample has changed the edited $config"
grep -q '^# new = true' $config.dpkg-dist || fail "the new sample is not beside the edited file"
[ "$(plugin_pid)" = "$plugin" ] || fail "the second upgrade has ended the running plugin"
kept "upgraded with a new sample: the edited configuration is kept, the new one beside it"
memory=$(sed -n 's/^VmHWM:[[:space:]]*//p' "/proc/$plugin/status")

# Not its own parent: runuser does not pass every signal on.
telegraf_pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$plugin/status")
kill -TERM "$telegraf_pid"
wait_for "the end of the plugin" test ! -e "/proc/$plugin"
wait_for "the end of Telegraf" test ! -e "/proc/$telegraf_pid"
[ -e $state ] || fail "the plugin has left no $state"
kept "Telegraf stopped, the plugin ended and saved its state"

quietly_install --remove telegraf-pm500
[ ! -e /usr/bin/telegraf-pm500 ] || fail "removed, and the program is still there"
[ "$(cat $config)" = "$edited" ] || fail "removed, and the configuration is not the edited one"
[ -e $state ] || fail "removed, and the state is gone"
quietly_install --install /srv/1001.deb
[ "$(cat $config)" = "$edited" ] || fail "reinstalled, and the configuration is not the edited one"
runuser -u telegraf -- telegraf-pm500 check 2>$log | grep -q 127.0.0.2 || fail "reinstalled, and check does not read the meter"
kept "removed and reinstalled: configuration and state stay"

# --- Figures -------------------------------------------------------------------------------------------------------

microseconds() {
    echo "${EPOCHREALTIME/./}"
}
begin=$(microseconds)
for _ in {1..20}; do telegraf-pm500 --version >/dev/null; done
version_us=$((($(microseconds) - begin) / 20))
begin=$(microseconds)
telegraf-pm500 --quiet --once 2>/dev/null | { read -r _; echo $(($(microseconds) - begin)) >/tmp/first; cat >/dev/null; }
echo "  start-up: --version in $version_us µs, first line of --once in $(cat /tmp/first) µs; memory under Telegraf at most $memory"
echo "  sizes: program $(stat --format %s /usr/bin/telegraf-pm500) bytes, installed $(dpkg-query --show --showformat '${Installed-Size}' telegraf-pm500) KiB"

kill "$simulator"
wait "$simulator" || true
rm -f /etc/telegraf/telegraf.d/telegraf-pm500.conf
quietly_install --purge telegraf-pm500
[ "$(everything)" = "$before" ] || fail "purged, and left behind: $(comm -13 <(echo "$before") <(everything))"
[ "$(accounts)" = "$accounts" ] || fail "the purge has changed users or groups"
kept "purged, it leaves nothing behind, not even its state"
