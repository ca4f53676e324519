#!/usr/bin/env bash
# Follows README.md from nothing to the first value in a database, command by command as they stand between its
# markers <!-- newcomer -->, and prints how long each took.
#
# On a fresh Debian or Ubuntu machine with Rust and Telegraf it does all of it. With --installed it leaves out the
# commands that install, and expects what they install in the PATH; the tests run it so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Longest wait for the first value, in seconds; only a broken program reaches it.
deadline=60

die() {
    echo "tests/newcomer.sh: $*" >&2
    exit 1
}

shown=$(sed -n '/^<!-- newcomer -->$/,/^<!-- \/newcomer -->$/p' README.md)
mapfile -t commands < <(sed -n '/^```sh$/,/^```$/{/^```/!p}' <<<"$shown")
[ ${#commands[@]} -gt 1 ] || die "README.md shows no commands between its markers"

# A point in numbers, whatever the language of the machine.
LC_NUMERIC=C
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
begun=$EPOCHREALTIME
seconds_since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }'; }

number=0
for command in "${commands[@]}"; do
    number=$((number + 1))
    if [ "${1:-}" = --installed ] && [[ $command =~ ^(sudo|cargo)\  ]]; then
        echo "$number. installed: $command"
        continue
    fi
    started=$EPOCHREALTIME
    if [ $number -eq ${#commands[@]} ]; then
        # The last one shows the value, which takes a moment to arrive.
        SECONDS=0
        until shown=$(eval "$command") && [ -n "$shown" ]; do
            [ $SECONDS -lt $deadline ] || die "nothing arrived: $command"
            sleep 0.2
        done
        echo "$shown"
    elif [[ $command == *\ \& ]]; then
        eval "${command% &} >/dev/null &"
    else
        eval "$command"
    fi
    echo "$number. $(seconds_since "$started"): $command"
done
echo "First value in the database after $(seconds_since "$begun") and ${#commands[@]} commands"
