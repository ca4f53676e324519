#!/usr/bin/env bash
# Runs every fuzz target for so many seconds each, one after the other, and prints how many inputs each has seen:
#
#     tests/fuzz/run.sh 60
#
# Needs rustup; installs a nightly compiler and cargo-fuzz if they are missing. What is found new is kept under target/
# and tried first in the next run. The bounds: one allocation of 4 MiB, 512 MiB in all, ten seconds for one input.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:?tests/fuzz/run.sh SECONDS [TARGET...]}
shift

cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --version '^0.13' --locked
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
fuzz=(--fuzz-dir tests/fuzz --target-dir target/fuzz)
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' tests/fuzz/Cargo.toml | tail -n +2)
cargo +nightly fuzz build "${fuzz[@]}"

printf '%-22s %12s %10s %8s %8s\n' target executions per_second edges RSS_MiB
failed=0
for target in "${targets[@]}"; do
    found=target/fuzz/found/$target
    log=target/fuzz/$target.log
    mkdir -p "$found"
    if ! "target/fuzz/$host/release/$target" -max_total_time="$seconds" -malloc_limit_mb=4 -rss_limit_mb=512 -timeout=10 \
        -max_len=4096 -print_final_stats=1 -artifact_prefix="$found-" "$found" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
        echo "$target FAILED, see $log and $found-*" >&2
        failed=1
    fi
    figure() { sed -n "s/^stat::$1: *//p" "$log"; }
    edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    printf '%-22s %12s %10s %8s %8s\n' "$target" "$(figure number_of_executed_units)" \
        "$(figure average_exec_per_sec)" "$edges" "$(figure peak_rss_mb)"
done
exit $failed
